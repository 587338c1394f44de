"""Where the report of a night is kept: beside the tables, as `<home>/lake/report/<night>.html` and `.md`."""

from upath import UPath

from billing_dq.report.markdown import markdown
from billing_dq.report.night import ReportNight
from billing_dq.report.page import page
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import add_files
from billing_dq.storage.placing import put_text


def store_report(settings: Settings, told: ReportNight) -> UPath:
    """Write the report of a night, add it to the night's manifest, and say where its page is."""
    lake = Lake(settings.home)
    path = lake.report_path(told.night)
    put_text(page(told), path)
    put_text(markdown(told), path.with_suffix(".md"))
    add_files(lake, told.night, path, path.with_suffix(".md"))
    return path
