"""The runbook behind every link: a page that opens, wherever the runbooks are kept.

Not here: what a runbook says (RUNBOOKS.md).
"""

import re
from functools import cache

import dagster as dg

from billing_dq.report.runbook import runbook_text
from billing_dq.settings import Settings


def runbook(settings: Settings, kind: str) -> dg.MetadataValue:
    """The section about a kind of finding: a link where the runbooks have an address, else the section itself.

    Dagster shows the section in a window of its own; a link to a file would not open from its page.
    """
    anchor = kind.replace("_", "-")
    if settings.runbook_url.startswith("http"):
        return dg.MetadataValue.url(f"{settings.runbook_url}#{anchor}")
    if settings.serve_url is not None:
        return dg.MetadataValue.url(f"{settings.serve_url}/runbook#{anchor}")
    return dg.MetadataValue.md(_sections()[anchor])


@cache
def _sections() -> dict[str, str]:
    """The sections of RUNBOOKS.md by anchor."""
    parts = re.split(r"^## ", runbook_text(), flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0].strip().lower().replace(" ", "-"): f"## {part}" for part in parts}
