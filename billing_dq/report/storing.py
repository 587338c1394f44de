"""Where the report of a night is kept: beside the tables, as `<home>/lake/report/<night>.html` and `.md`."""

from upath import UPath

from billing_dq.report.markdown import markdown
from billing_dq.report.night import ReportNight
from billing_dq.report.page import page
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake


def store_report(settings: Settings, told: ReportNight) -> UPath:
    """Write the report of a night, and say where its page is."""
    path = Lake(settings.home).report_path(told.night)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(told), encoding="utf-8")
    path.with_suffix(".md").write_text(markdown(told), encoding="utf-8")
    return path
