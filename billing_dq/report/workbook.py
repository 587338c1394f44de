"""Everything that is open in a night, as rows for a workbook (Excel, LibreOffice, Google Sheets).

A workbook runs a cell that begins like a formula, and turns text that looks like a number into one. Such text gets an
apostrophe in front. Numbers stay numbers, with their sign.
"""

import re

import pandas as pd

from billing_dq.reconcile.findings.standing import is_open, verdicts
from billing_dq.report.figures import rows_of
from billing_dq.report.night import read_findings
from billing_dq.report.verdicts import in_order_of_work
from billing_dq.report.words import command
from billing_dq.storage.lake import Lake
from billing_dq.tables import FINDINGS
from billing_dq.vocabulary.verdicts import VERDICTS

#: Beginnings of a formula or command, also in full width, and spaces that a workbook may strip before it looks.
_FORMULA = re.compile(r"\s*[=+\-@|\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
#: Ids such as 6120e4 or 000123, which a workbook would take for numbers.
_NUMBER = re.compile(r"\s*[\d.,]+(?:[eE]\d+)?\s*", re.ASCII)


def open_findings(lake: Lake, night: str | None = None) -> pd.DataFrame:
    """The open findings of a stored night, the newest by default, in the order in which to look at them.

    Returns:
        Columns for people: ``usd`` in dollars and ``units`` are signed (plus is owed to us), ``command`` shows more.

    Raises:
        SourceError: the night is not stored.
    """
    night, _ = lake.choose(FINDINGS, night)
    findings = read_findings(lake, night)
    findings = findings[is_open(findings)]
    findings = in_order_of_work(findings, verdicts(findings))
    shown = findings.assign(
        night=night,
        verdict=verdicts(findings).map(dict(VERDICTS)),
        usd=findings["usd_cents"] / 100,
        broken_since=findings["broken_since"].dt.strftime("%Y-%m-%d %H:%M"),
        command=[command(row, night) for row in rows_of(findings, FINDINGS.column_names)],
    )
    columns = (
        *("night", "severity", "verdict", "state", "kind", "organization_id", "subject", "usd", "units"),
        *("same_money_as", "cause", "explanation", "broken_since", "first_seen", "last_seen", "nights_open"),
        *("accepted_by", "accepted_why", "accepted_until", "finding_id", "runbook", "command"),
    )
    return shown[list(columns)]


def as_csv(frame: pd.DataFrame) -> str:
    """A frame as the CSV that a workbook opens as it is meant: UTF-8 with a mark, text without formulas."""
    texts = frame.select_dtypes("str").columns
    safe = frame.assign(**{str(name): frame[name].map(harmless, na_action="ignore") for name in texts})
    return "\ufeff" + safe.to_csv(index=False, lineterminator="\r\n")


def harmless(text: str) -> str:
    """Text that a workbook shows as text."""
    return f"'{text}" if _FORMULA.match(text) or _NUMBER.fullmatch(text) else text
