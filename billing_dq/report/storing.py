"""Where the report of a night is kept: beside the tables, as `<home>/lake/report/<night>.html` and `.md`."""

from upath import UPath

from billing_dq.report.markdown import markdown
from billing_dq.report.night import read_night
from billing_dq.report.page import page
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake


def report_path(settings: Settings, night: str) -> UPath:
    """Where the page of a night is, or will be; its Markdown has the suffix `.md`."""
    return Lake(settings.home).root / "report" / f"{night}.html"


def store_report(settings: Settings, night: str | None = None) -> UPath:
    """Write the report of a stored night, the newest by default, and say where its page is.

    Raises:
        SourceError: the night is not stored, or in part only.
    """
    told = read_night(settings, night)
    path = report_path(settings, told.night)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(told), encoding="utf-8")
    path.with_suffix(".md").write_text(markdown(told), encoding="utf-8")
    return path
