"""The report of a night as Markdown, short enough for a ticket: the first screen, and the findings to look at first."""

import re
from collections.abc import Mapping, Sequence

from billing_dq.reconcile.findings.standing import is_open
from billing_dq.reconcile.meter.sentences import number
from billing_dq.report.figures import Plain, rows_of
from billing_dq.report.night import ReportNight
from billing_dq.report.verdicts import GRADES, Amounts, coverage
from billing_dq.report.visible import visible
from billing_dq.report.words import command, dollars, owed, summary
from billing_dq.tables import FINDINGS
from billing_dq.vocabulary.verdicts import VERDICTS, Verdict

#: Findings that are listed; the page has the others.
LISTED = 50
_TEXT = 500
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~&]|:(?=//)|(?<=www)\.)")
#: Goes behind an @: ticket systems would notify whoever the text names. It takes no room.
_WORD_JOINER = "\u2060"


def markdown(night: ReportNight) -> str:
    """The report as Markdown; text from data is escaped and stays on its line."""
    told = summary(night)
    unresolved = night.findings[is_open(night.findings) & (night.verdict != "by_design")]
    parts = [
        f"# {told.verdict}",
        f"Night of {night.night}, snapshot of {night.snapshot.as_of:%Y-%m-%d %H:%M} UTC. {escaped(told.sentence)}",
        _table(
            ("", "findings", "owed to us", "units", "owed to customers", "units"),
            [_totals(name, amounts) for name, amounts in told.totals.items()],
        ),
        ", ".join(f"{count:,} {name}" for name, count in told.changes.items()) + ".",
        _coverage(night),
        _sources(night),
        f"Audit log of the credits: {escaped(night.audit)}",
        "## Findings",
        _table(
            ("severity", "kind", "organization", "subject", "owed", "nights", "why", "more"),
            [_finding(row, night.night) for row in rows_of(unresolved.head(LISTED), FINDINGS.column_names)],
        ),
    ]
    if len(unresolved) > LISTED:
        parts.append(f"And {len(unresolved) - LISTED:,} more: `billing-dq findings --night {night.night}`.")
    return "\n\n".join(parts) + "\n"


def escaped(text: object) -> str:
    """Text that Markdown shows as it is, on one line, without links and mentions; a part of what is very long."""
    line = visible(" ".join(str(text).split()))
    line = f"{line[:_TEXT]} …" if len(line) > _TEXT else line
    return _SPECIAL.sub(r"\\\1", line).replace("@", f"@{_WORD_JOINER}")


def _totals(name: Verdict, amounts: Amounts) -> list[str]:
    return [
        VERDICTS[name],
        number(amounts.findings),
        dollars(amounts.cents_to_us),
        number(amounts.units_to_us),
        dollars(amounts.cents_to_customers),
        number(amounts.units_to_customers),
    ]


def _finding(row: Mapping[str, Plain], night: str) -> list[str]:
    names = ("severity", "kind", "organization_id", "subject", "nights_open", "explanation")
    cells = ["" if row[name] is None else escaped(row[name]) for name in names]
    return [*cells[:4], owed(float(row["usd_cents"] or 0)), *cells[4:], _code(command(row, night))]


def _coverage(night: ReportNight) -> str:
    shares = [f"{GRADES[one.grade]} {one.percent:.1f} % ({one.weeks:,})" for one in coverage(night.deltas_in_window)]
    followed = f"; {night.followed:,} older ones with an open finding looked at again" if night.followed else ""
    return f"Organization-weeks: {', '.join(shares)}{followed}."


def _code(text: str) -> str:
    return f"`{' '.join(text.split()).replace('`', chr(39)).replace('|', chr(92) + '|')}`"


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
