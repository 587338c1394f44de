"""Numbers and findings in words, for the page and the Markdown alike."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from billing_dq.report.figures import Plain
from billing_dq.report.night import ReportNight
from billing_dq.report.verdicts import Amounts, changes, sums

#: States of a finding in the order in which they matter.
CHANGES = ("new", "worse", "reopened", "resolved", "unchanged", "not examined")
FIRST = 5


@dataclass(frozen=True)
class Summary:
    """The first screen of a night.

    Attributes:
        verdict: whether money is leaking, in a word or two.
        sentence: new breaks, money owed either way, the oldest.
        totals: `sums` of what the night itself found open.
        changes: how many findings changed in which way, all of `CHANGES`.
        first: the findings to look at first.
    """

    verdict: str
    sentence: str
    totals: Mapping[str, Amounts]
    changes: dict[str, int]
    first: pd.DataFrame


def summary(night: ReportNight) -> Summary:
    """The first screen of a night."""
    seen = (night.findings["last_seen"] == night.night) & (night.findings["state"] != "resolved")
    breaks = night.findings[seen & (night.verdict == "unexplained")]
    totals = sums(night.findings[seen], night.verdict[seen])
    change = changes(night.findings, night.previous, night.night)
    return Summary(
        verdict=_verdict(breaks),
        sentence=_sentence(breaks, totals) + _unread(night),
        totals=totals,
        changes={name: int((change == name).sum()) for name in CHANGES},
        first=breaks.head(FIRST),
    )


def dollars(cents: float) -> str:
    """US cents as dollars, without a sign: the side is told beside it."""
    return f"${abs(cents) / 100:,.2f}"


def owed(cents: float) -> str:
    """Signed US cents as dollars and who is owed them; empty for nothing."""
    if not cents:
        return ""
    return f"{dollars(cents)} to {'us' if cents > 0 else 'customer'}"


def commands(finding: Mapping[str, Plain], night: str) -> list[str]:
    """The commands that show more of a finding, the best first; safe to paste into a shell."""
    organization, subject, kind = (finding[name] for name in ("organization_id", "subject", "kind"))
    listed = ["findings", "--night", night, "--kind", kind, *(["--organization", organization] if organization else [])]
    shown = [listed]
    if kind == "meter_extras_divergence":
        shown.insert(0, ["explain", organization, subject, "--night", night])
    elif str(kind).startswith("dispute_"):
        shown.insert(0, ["dispute", subject, "--night", night])
    return [shlex.join(["billing-dq", *(str(part) for part in parts)]) for parts in shown]


def _verdict(breaks: pd.DataFrame) -> str:
    if breaks.empty:
        return "Nothing is broken."
    return "Money is leaking." if breaks["usd_cents"].any() else "Something is broken; no money is owed."


def _sentence(breaks: pd.DataFrame, totals: Mapping[str, Amounts]) -> str:
    if breaks.empty:
        return "No finding needs anybody tonight."
    new = int((breaks["state"] == "new").sum())
    row = totals["unexplained"]
    nights = int(breaks["nights_open"].max())
    since = breaks.loc[breaks["nights_open"] == nights, "first_seen"].min()
    return (
        f"{_count(new, 'break')} {'is' if new == 1 else 'are'} new of {len(breaks):,} open; "
        f"{dollars(row.cents_to_us)} is owed to us and {dollars(row.cents_to_customers)} to customers; "
        f"the oldest has been open for {_count(nights, 'night')}, since {since}."
    )


def _unread(night: ReportNight) -> str:
    if night.stripe.state == "read":
        return ""
    why = "could not be read" if night.stripe.state == "failed" else "was not read"
    return f" Stripe {why}: what depends on it stands as on the night before."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
