"""What a finding is about, by name: entries, references, sessions, charges, refunds, disputes, subscriptions."""

import re
from collections.abc import Iterable, Mapping, Sequence

from billing_dq.report.evidence.frames import NightFrames, Row
from billing_dq.report.evidence.ledger import Entry
from billing_dq.report.figures import Plain
from billing_dq.tables import (
    LEDGER_VIOLATIONS,
    METER_EXTRAS_EVIDENCE,
    STRIPE_CHARGES,
    STRIPE_DISPUTES,
    STRIPE_REFUNDS,
    SUBSCRIPTIONS,
    Table,
)
from billing_dq.vocabulary.kinds import KINDS
from billing_dq.vocabulary.references import EXPIRATION, SETTLEMENT
from billing_dq.weeks import is_week_key

#: Ids of Stripe's, which stand inside of references.
_OF_STRIPE = re.compile(r"(ch|py|re|pyr|du|dp|cs)_")
#: Of each table of payments the columns that name the same payment.
_PAYMENTS: tuple[tuple[Table, tuple[str, str]], ...] = (
    (STRIPE_REFUNDS, ("refund_id", "charge_id")),
    (STRIPE_DISPUTES, ("dispute_id", "charge_id")),
    (STRIPE_CHARGES, ("charge_id", "stripe_session_id")),
)
#: Results whose findings are about a plan, so that the organization's subscription belongs to them.
OF_PLANS = frozenset({"deltas", "drift", "runaway", "orphans", "subscription_drift", "stale_past_due", "payers"})


def names_of(finding: Mapping[str, Plain], frames: NightFrames, entries: Sequence[Entry]) -> frozenset[str]:
    """The names of everything that a finding is about.

    Args:
        finding: a row of `FINDINGS`.
        frames: what the night holds about it.
        entries: the organization's entries that were read.
    """
    organization, subject = finding["organization_id"], str(finding["subject"])
    organization = organization if isinstance(organization, str) else None
    names = {subject} - {organization or ""}
    if is_week_key(subject):
        evidence = [row for row in frames.of(METER_EXTRAS_EVIDENCE, organization) if row["week_key"] == subject]
        names = {SETTLEMENT + subject, *_texts(evidence, "ref_id", "entry_id")}
    result = result_of(finding)
    if result == "violations":
        broken = [row for row in frames.of(LEDGER_VIOLATIONS, organization) if row["rule"] == finding["cause"]]
        broken = [row for row in broken if row["entry_id"] == subject or not isinstance(row["entry_id"], str)]
        return frozenset(names | _texts(broken, "entry_id", "ref_id", "compensated_by"))
    if result in OF_PLANS:
        subscriptions = frames.of(SUBSCRIPTIONS, organization)
        return frozenset(names | _texts(subscriptions, "stripe_subscription_id", "stripe_customer_id"))
    names |= {entry.session for entry in entries if entry.entry_id in names and entry.session}
    for _ in _PAYMENTS:  # from a session to its charge, from there to its refunds and disputes, or the other way
        for table, columns in _PAYMENTS:
            rows = [row for column in columns for name in names for row in frames.named(table, column, name)]
            names |= _texts(rows, *columns)
    return frozenset(names)


def result_of(finding: Mapping[str, Plain]) -> str:
    """The result of a night that holds findings of this kind; empty for a kind that is none of ours."""
    kind = KINDS.get(str(finding["kind"]))
    return kind.result if kind else ""


def in_question(entries: Sequence[Entry], names: frozenset[str]) -> list[Entry]:
    """The entries that are, or name, one of the names; and the expirations of top-ups that do."""
    inside = "|".join(re.escape(name) for name in sorted(names) if _OF_STRIPE.match(name))
    pattern = re.compile(inside) if inside else None
    marked = [
        entry
        for entry in entries
        if names & {entry.entry_id, entry.ref_id, entry.session}
        or (pattern is not None and entry.ref_id is not None and pattern.search(entry.ref_id))
    ]
    places = {id(entry) for entry in marked}
    expired = {EXPIRATION + entry.entry_id for entry in marked if entry.kind == "topup"}
    return [entry for entry in entries if id(entry) in places or entry.ref_id in expired]


def _texts(rows: Iterable[Row], *columns: str) -> set[str]:
    return {value for row in rows for column in columns if isinstance(value := row[column], str)}
