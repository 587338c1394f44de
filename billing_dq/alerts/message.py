"""A message to a route in words: plain text, the worst first, the rest counted.

Text from data cannot ring anybody, draw markup or hide: control characters, angle brackets, at signs and links lose
their meaning, and long text is cut.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.findings.severity import rank
from billing_dq.reconcile.meter.sentences import number
from billing_dq.report.figures import Plain, rows_of
from billing_dq.report.words import owed
from billing_dq.tables import TELLINGS
from billing_dq.vocabulary.alerts import EVENTS, OPERATIONS
from billing_dq.vocabulary.severities import SEVERITIES, Severity

#: Matters that a message lists; the others are counted. Characters of text from data that each may have.
LISTED, TEXT = 10, 300
_HARMLESS = str.maketrans({"<": "‹", ">": "›", "@": "(at)", "`": "'", "*": "∗"})


@dataclass(frozen=True)
class Message:
    """What is sent: one line, some lines, and how loud."""

    title: str
    text: str
    severity: Severity


def message(
    about: str, happened: pd.DataFrame, lead: str, link: str = "", quiet: Mapping[str, int] | None = None
) -> Message | None:
    """The message of what a route is told; None where there is nothing to say.

    Args:
        about: what it is about, such as "night of 2026-11-21".
        happened: `TELLINGS` in order; those that are only noted are left out.
        lead: the sentence that sums up; empty for none.
        link: where the report is; empty where there is none.
        quiet: how many matters nobody is told of, by the reason.
    """
    said = happened[happened["is_said"]]
    if said.empty:
        return None
    parts = [plain(lead)] if lead else []
    if link:
        parts.append(f"Report: {link}")
    parts += [_line(row) for row in rows_of(said.head(LISTED), TELLINGS.column_names)]
    if len(said) > LISTED:
        parts.append(f"And {len(said) - LISTED:,} more: {_counted(said[LISTED:])}.")
    unsaid = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in (quiet or {}).items() if count)
    if unsaid:
        parts.append(f"Open, and nobody is told: {unsaid}.")
    loudest = int(rank(said["loudness"]).max())
    return Message(f"billing_dq, {about}: {_counted(said)}", "\n\n".join(parts), SEVERITIES[loudest])


def plain(text: object) -> str:
    """Text from data as one harmless line."""
    shown = "".join(one if not unicodedata.category(one).startswith("C") else " " for one in str(text))
    line = " ".join(shown.split()).replace("://", ":/ /").translate(_HARMLESS)
    return f"{line[:TEXT]} …" if len(line) > TEXT else line


def _counted(said: pd.DataFrame) -> str:
    counts = said["event"].value_counts()
    return ", ".join(f"{int(counts[event]):,} {event}" for event in EVENTS if event in counts.index)


def _line(row: Mapping[str, Plain]) -> str:
    event, severity, loudness = str(row["event"]), row["severity"], row["loudness"]
    head = event.upper()
    if event != "resolved":
        head += f" {loudness}" + (f" (one step above {severity})" if loudness != severity else "")
    parts = [f"{head} {row['kind']}"]
    if row["organization_id"] is not None:
        parts.append(f"organization {plain(row['organization_id'])}")
    if row["subject"] != row["organization_id"]:
        parts.append(plain(row["subject"]))
    if row["since"] is not None:
        parts.append(f"first seen {row['since']}")
    if row["kind"] not in OPERATIONS and row["units"]:
        parts.append(f"{number(float(str(row['units'])))} units")
    money = owed(float(str(row["usd_cents"])))
    parts += [money] if money else []
    return ", ".join(parts) + (f": {plain(row['sentence'])}" if row["sentence"] else "")
