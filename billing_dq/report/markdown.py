"""The report of a night as Markdown, short enough for a ticket: the first screen, and the findings to look at first."""

import re
from collections.abc import Sequence

import pandas as pd

from billing_dq.reconcile.meter.sentences import number
from billing_dq.report.night import ReportNight
from billing_dq.report.verdicts import GRADES, VERDICTS, coverage
from billing_dq.report.words import commands, dollars, owed, summary

#: Findings that are listed; the page has the others.
LISTED = 50
_TEXT = 500
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~&])")


def markdown(night: ReportNight) -> str:
    """The report as Markdown; text from data is escaped and stays on its line."""
    told = summary(night)
    unresolved = night.findings[(night.findings["state"] != "resolved") & (night.verdict != "by_design")]
    parts = [
        f"# {told.verdict}",
        f"Night of {night.night}, snapshot of {night.snapshot.as_of:%Y-%m-%d %H:%M} UTC. {escaped(told.sentence)}",
        _table(
            ("", "findings", "owed to us", "units", "owed to customers", "units"),
            [_totals(name, told.totals) for name in VERDICTS],
        ),
        ", ".join(f"{count:,} {name}" for name, count in told.changes.items()) + ".",
        "Organization-weeks: "
        + ", ".join(f"{GRADES[one.grade]} {one.percent:.1f} % ({one.weeks:,})" for one in coverage(night.deltas))
        + ".",
        _sources(night),
        "## Findings",
        _table(
            ("severity", "kind", "organization", "subject", "owed", "nights", "why", "more"),
            [_finding(row, night.night) for row in unresolved.head(LISTED).to_dict("records")],
        ),
    ]
    if len(unresolved) > LISTED:
        parts.append(f"And {len(unresolved) - LISTED:,} more: `billing-dq findings --night {night.night}`.")
    return "\n\n".join(parts) + "\n"


def escaped(text: object) -> str:
    """Text that Markdown shows as it is, on one line; a part of what is very long."""
    line = " ".join(str(text).split())
    line = f"{line[:_TEXT]} …" if len(line) > _TEXT else line
    return _SPECIAL.sub(r"\\\1", line)


def _totals(name: str, totals: pd.DataFrame) -> list[str]:
    row = totals.loc[name]
    return [
        name.replace("_", " "),
        number(row["findings"]),
        dollars(row["cents_to_us"]),
        number(row["units_to_us"]),
        dollars(row["cents_to_customers"]),
        number(row["units_to_customers"]),
    ]


def _finding(row: dict[str, object], night: str) -> list[str]:
    organization = row["organization_id"]
    texts = (
        row["severity"],
        row["kind"],
        organization if isinstance(organization, str) else "",
        row["subject"],
        owed(float(str(row["usd_cents"]))),
        row["nights_open"],
        row["explanation"],
        commands(row, night)[0],
    )
    return [escaped(text) for text in texts]


def _sources(night: ReportNight) -> str:
    counts = [
        f"{name} {one.read:,} read" + (f", {one.quarantined:,} unreadable" if one.quarantined else "")
        for name, one in night.snapshot.counts.items()
    ]
    missing = [f"{name} missing" for name in night.snapshot.missing_collections]
    why = f" ({night.stripe.reason})" if night.stripe.reason else ""
    return escaped("Sources: " + "; ".join([*counts, *missing, f"Stripe {night.stripe.state.replace('_', ' ')}{why}"]))


def _table(names: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return "None."
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
