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
from billing_dq.tables import ALERT_CHANGES
from billing_dq.vocabulary.alerts import EVENTS, OPERATIONS
from billing_dq.vocabulary.severities import SEVERITIES, Severity

#: Matters that a message lists; the others are counted. Characters of text from data that each may have.
LISTED, TEXT = 10, 300
_HARMLESS = str.maketrans({"<": "‹", ">": "›", "@": "(at)", "`": "'", "*": "∗"})


@dataclass(frozen=True)
class Message:
    """What is sent: one line, some lines, and how severe."""

    title: str
    text: str
    severity: Severity


def message(
    topic: str, changes: pd.DataFrame, lead: str, link: str = "", silenced: Mapping[str, int] | None = None
) -> Message | None:
    """The message about some changes; None where none of them is to be sent.

    Args:
        topic: what it is about, such as "night of 2026-11-21".
        changes: `ALERT_CHANGES` in order; those that are only remembered are left out.
        lead: the sentence that sums up; empty for none.
        link: where the report is; empty where there is none.
        silenced: how many open alerts nobody is notified of, by the reason.
    """
    sent = changes[changes["is_sent"]]
    if sent.empty:
        return None
    parts = [plain(lead)] if lead else []
    if link:
        parts.append(f"Report: {link}")
    parts += [_line(row) for row in rows_of(sent.head(LISTED), ALERT_CHANGES.column_names)]
    if len(sent) > LISTED:
        parts.append(f"And {len(sent) - LISTED:,} more: {_counted(sent[LISTED:])}.")
    unsent = ", ".join(f"{count:,} {reason.replace('_', ' ')}" for reason, count in (silenced or {}).items() if count)
    if unsent:
        parts.append(f"Open, and nobody is notified: {unsent}.")
    most_urgent = int(rank(sent["urgency"]).max())
    return Message(f"billing_dq, {topic}: {_counted(sent)}", "\n\n".join(parts), SEVERITIES[most_urgent])


def plain(text: object) -> str:
    """Text from data as one harmless line."""
    printable = "".join(" " if unicodedata.category(letter).startswith("C") else letter for letter in str(text))
    line = " ".join(printable.split()).replace("://", ":/ /").translate(_HARMLESS)
    return f"{line[:TEXT]} …" if len(line) > TEXT else line


def _counted(changes: pd.DataFrame) -> str:
    counts = changes["event"].value_counts()
    return ", ".join(f"{int(counts[event]):,} {event}" for event in EVENTS if event in counts.index)


def _line(row: Mapping[str, Plain]) -> str:
    event, severity, urgency = str(row["event"]), row["severity"], row["urgency"]
    head = event.upper()
    if event != "resolved":
        head += f" {urgency}" + (f" (one step above {severity})" if urgency != severity else "")
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
