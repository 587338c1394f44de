"""Numbers and findings in words, for the page and the Markdown alike."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.findings.standing import is_new, is_open
from billing_dq.report.figures import Plain
from billing_dq.report.night import Lacks, ReportNight
from billing_dq.report.verdicts import Amounts, changes, sums
from billing_dq.report.visible import visible
from billing_dq.storage.records import StripeReadingRecord
from billing_dq.vocabulary.verdicts import Verdict

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
    totals: Mapping[Verdict, Amounts]
    changes: dict[str, int]
    first: pd.DataFrame


def summary(night: ReportNight) -> Summary:
    """The first screen of a night."""
    seen = _seen(night.findings, night.night)
    verdict, sentence = headline(night.findings, night.verdict, night.stripe, night.night, night.lacks)
    change = changes(night.findings, night.previous, night.night)
    return Summary(
        verdict=verdict,
        sentence=sentence,
        totals=sums(night.findings[seen], night.verdict[seen]),
        changes={name: int((change == name).sum()) for name in CHANGES},
        first=night.findings[seen & (night.verdict == "unexplained")].head(FIRST),
    )


def headline(
    findings: pd.DataFrame, verdict: "pd.Series[str]", stripe: StripeReadingRecord, night: str, lacks: Lacks
) -> tuple[str, str]:
    """Whether money is leaking, and the sentence that says how much, which way, since when and what is new.

    Args:
        findings: `FINDINGS` of the night.
        verdict: of each, one of `VERDICTS`.
        stripe: whether Stripe was read.
        night: YYYY-MM-DD.
        lacks: what the night could not do.
    """
    breaks = findings[_seen(findings, night) & (verdict == "unexplained")]
    if lacks.incomplete_because:
        found = f" Of what was examined: {_sentence(breaks)}" if len(breaks) else ""
        return "The night is incomplete.", f"{lacks.incomplete_because}; nothing is resolved.{found}"
    return _verdict(breaks, stripe), _sentence(breaks) + _unread(stripe) + not_computed(lacks.absent)


def dollars(cents: float) -> str:
    """US cents as dollars, without a sign: the side is told beside it."""
    return f"${abs(cents) / 100:,.2f}"


def owed(cents: float) -> str:
    """Signed US cents as dollars and who is owed them; empty for nothing."""
    if not cents:
        return ""
    return f"{dollars(cents)} to {'us' if cents > 0 else 'customer'}"


def money_either_way(cents: "pd.Series[int]") -> str:
    """What signed US cents add up to on each side."""
    if not cents.any():
        return "no money is owed"
    to_us, to_customers = cents.clip(lower=0).sum(), cents.clip(upper=0).sum()
    return f"{dollars(to_us)} is owed to us and {dollars(to_customers)} to customers"


def command(finding: Mapping[str, Plain], night: str) -> str:
    """The command that shows what stands behind a finding; safe to paste into a shell."""
    return shlex.join(["billing-dq", "explain", visible(str(finding["finding_id"])), "--night", night])


def _verdict(breaks: pd.DataFrame, stripe: StripeReadingRecord) -> str:
    if breaks.empty and stripe.state != "read":
        return f"Nothing found in MongoDB; Stripe {_not_read(stripe)}."
    if breaks.empty:
        return "Nothing is broken."
    return "Money is leaking." if breaks["usd_cents"].any() else "Something is broken; no money is owed."


def _seen(findings: pd.DataFrame, night: str) -> "pd.Series[bool]":
    """What the night itself found open; the sums of `nightly_report` are of the same."""
    return (findings["last_seen"] == night) & is_open(findings)


def _sentence(breaks: pd.DataFrame) -> str:
    if breaks.empty:
        return "No finding needs anybody tonight."
    new = int(is_new(breaks).sum())
    cents = breaks["usd_cents"]
    nights = int(breaks["nights_open"].max())
    since = breaks.loc[breaks["nights_open"] == nights, "first_seen"].min()
    return (
        f"{_count(new, 'break')} {'is' if new == 1 else 'are'} new of {len(breaks):,} open; "
        f"{dollars(cents.clip(lower=0).sum())} is owed to us and {dollars(cents.clip(upper=0).sum())} to customers; "
        f"the oldest has been open for {_count(nights, 'night')}, since {since}."
    )


def _unread(stripe: StripeReadingRecord) -> str:
    if stripe.state == "read":
        unread = ", ".join(f"{count:,} {resource}" for resource, count in stripe.not_read.items())
        return f" Not judged, for Stripe's budget or key did not reach them: {unread}." if unread else ""
    return f" Stripe {_not_read(stripe)}: what depends on it stands as on the night before."


def _not_read(stripe: StripeReadingRecord) -> str:
    return "could not be read" if stripe.state == "failed" else "was not asked"


def not_computed(absent: Mapping[str, str]) -> str:
    """Which results a night does not have, and why; empty where it has all."""
    if not absent:
        return ""
    reasons = "; ".join(dict.fromkeys(absent.values()))
    return f" Not computed: {', '.join(absent)} ({reasons}); what depends on it stands as on the night before."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
