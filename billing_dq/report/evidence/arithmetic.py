"""The arithmetic of a finding, line by line: a week from usage to debits, a purchase's money against its units."""

import math
from collections.abc import Iterator, Mapping, Sequence

from billing_dq.reconcile.disputes.cases import PackPrice
from billing_dq.reconcile.findings.finding import number, text, text_or_none
from billing_dq.report.evidence.frames import Row
from billing_dq.report.evidence.ledger import Entry
from billing_dq.report.evidence.record import Amount
from billing_dq.units import round_half_up

#: Causes of a week that have a bar of their own; the others are one.
_CAUSES = 8


def week_amounts(delta: Row, evidence: Sequence[Row]) -> Iterator[Amount]:
    """From usage to debits: what was used, the quota, what was expected, each cause, what was debited.

    Args:
        delta: a row of `METER_EXTRAS_DELTAS`.
        evidence: `METER_EXTRAS_EVIDENCE` of it.
    """
    used, quota, expected, actual, tolerance = (
        number(delta, name)
        for name in ("meter_used", "meter_quota", "expected_units", "actual_units", "tolerance_units")
    )
    yield Amount("used", used, start=0.0)
    if quota:
        yield Amount("included in the plan", -min(quota, used), start=used, note=f"quota {quota:,.0f}")
    yield Amount("expected as debits", expected, start=0.0)
    by_cause: dict[str, float] = {}
    for item in evidence:
        by_cause[text(item, "cause")] = by_cause.get(text(item, "cause"), 0.0) + number(item, "units")
    causes = sorted(((cause, units) for cause, units in by_cause.items() if units), key=lambda pair: -abs(pair[1]))
    reached = expected
    for cause, units in causes[:_CAUSES]:
        yield Amount(cause.replace("_", " "), -units, start=reached)
        reached -= units
    if len(causes) > _CAUSES:
        yield Amount(f"{len(causes) - _CAUSES} smaller causes", actual - reached, start=reached)
    yield Amount("debited", actual, start=0.0)
    yield Amount("difference", expected - actual, note=f"up to {tolerance:,.0f} is tolerated")


def purchase_amounts(
    charges: Sequence[Row], refunds: Sequence[Row], entries: Sequence[Entry], packs: Mapping[str, PackPrice]
) -> Iterator[Amount]:
    """Money against units: what was paid and given back, what the pack gives, what the ledger gave and took.

    Args:
        charges: `STRIPE_CHARGES` of one purchase.
        refunds: `STRIPE_REFUNDS` of them.
        entries: the ledger's entries about it.
        packs: by id.
    """
    for charge in charges:
        currency, pack_id = text(charge, "currency"), text_or_none(charge, "pack_id")
        captured = charge["captured_minor"]
        paid = float(captured) if isinstance(captured, int) else number(charge, "amount_minor")
        yield Amount(f"paid for {pack_id or 'a pack'}", paid, currency, text_or_none(charge, "status") or "")
        returned = [number(row, "amount_minor") for row in refunds if row["charge_id"] == charge["charge_id"]]
        if returned:
            yield Amount("refunded", -sum(returned), currency)
        pack = packs.get(pack_id or "")
        if pack is not None:
            yield Amount(f"{pack_id} gives", pack.units, note="by the settings")
    topups = [entry.units for entry in entries if entry.kind == "topup"]
    yield Amount("given by the ledger", sum(topups), note=_count(len(topups), "top-up"))
    later = [entry.units for entry in entries if entry.kind != "topup"]
    for label, amounts in (
        ("taken back", [units for units in later if units < 0]),
        ("given besides", [units for units in later if units > 0]),
    ):
        if amounts:
            yield Amount(label, sum(amounts), note=_count(len(amounts), "entry", "entries"))
    if later:
        yield Amount("left with the customer", sum(topups) + sum(later))


def dispute_amounts(position: Row) -> Iterator[Amount]:
    """What became of a dispute's money and units.

    Args:
        position: a row of `DISPUTE_POSITIONS`.
    """
    currency, fraction = text(position, "currency"), position["fraction"]
    clawed_back = number(position, "clawed_back_units")
    share = fraction if isinstance(fraction, float) and not math.isnan(fraction) else None
    yield Amount("withdrawn by Stripe", -number(position, "withdrawn_minor"), currency)
    note = "" if share is None else f"{share:.4%}".replace(".0000", "") + " of what was withdrawn"
    yield Amount("came back", number(position, "reinstated_minor"), currency, note)
    yield Amount("clawed back", -clawed_back)
    if share:
        to_give = math.floor(min(clawed_back, round_half_up(clawed_back * share)))
        yield Amount("to give back", float(to_give), note="the same share of the clawback")
    yield Amount("given back", number(position, "credited_units"))
    decision = f"{position['decision']}: {position['reason']}".replace("_", " ")
    yield Amount("still due", number(position, "due_units"), note=decision)


def balance_amounts(balances: Sequence[Row], runaways: Sequence[Row]) -> Iterator[Amount]:
    """A balance against its ledger, and against the floor that it is below.

    Args:
        balances: `EXTRAS_BALANCES` of the organization.
        runaways: `RUNAWAY_BALANCES` of it.
    """
    for row in balances:
        cached, ledger_sum, count = (number(row, name) for name in ("cached_balance", "ledger_sum", "entry_count"))
        yield Amount("balance in the document", cached)
        yield Amount("sum of its ledger", ledger_sum, note=_count(int(count), "entry", "entries"))
        yield Amount("difference", cached - ledger_sum)
    for row in runaways:
        yield Amount("lowest allowed balance", number(row, "threshold_units"), note=text(row, "rule").replace("_", " "))


def _count(number: int, noun: str, several: str = "") -> str:
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"
