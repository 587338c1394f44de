"""The position of every dispute: what was taken and given back on both sides, what is due, and what is wrong.

The rules are STRIPE.md's, "Disputes" and "The credit of a reinstated dispute". A clawback is mirrored in the proportion
in which the money came back; money is never turned into units that are credited. Only the disputes that were read are
judged: a credit for a dispute older than the look-back is no finding.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from billing_dq.reconcile.disputes.cases import DisputeCase, PackPrice, dispute_cases
from billing_dq.reconcile.disputes.decisions import Judgement, Organizations, judge
from billing_dq.reconcile.disputes.entries import DisputeLedgers, read_dispute_entries
from billing_dq.reconcile.disputes.hand_credits import Claim, Reading, read_hand_credits
from billing_dq.reconcile.findings.disputes import Surroundings, findings_frame, findings_of
from billing_dq.tables import DISPUTE_POSITIONS


@dataclass(frozen=True)
class PositionResult:
    """``positions``: DISPUTE_POSITIONS. ``findings``: kind, organization_id, subject, units, cause, explanation."""

    positions: pd.DataFrame
    findings: pd.DataFrame


def dispute_positions(
    disputes: pd.DataFrame,
    dispute_entries: pd.DataFrame,
    purchases: pd.DataFrame,
    organizations: pd.DataFrame,
    subscriptions: pd.DataFrame,
    balances: pd.DataFrame,
    packs: Mapping[str, PackPrice],
    dollars_to_units: float,
    livemode: bool,
    unreadable: pd.DataFrame,
    as_of: datetime,
) -> PositionResult:
    """Judge every dispute that was read.

    Args:
        disputes: STRIPE_DISPUTES.
        dispute_entries: DISPUTE_ENTRIES of all organizations.
        purchases: PACK_PURCHASES of all organizations.
        organizations: ORGANIZATIONS; with SUBSCRIPTIONS they tell which organizations exist.
        subscriptions: SUBSCRIPTIONS.
        balances: EXTRAS_BALANCES; a credit needs a balance document.
        packs: price in US cents and units of each pack, to say what should have been clawed back.
        dollars_to_units: general ratio, at which people credit by mistake.
        livemode: the mode of the key that read Stripe.
        unreadable: UNREADABLE_KEYS; a ledger that could not be read is never credited and causes no finding.
        as_of: instant of the snapshot; a clawback may take `CLAWBACK_PENDING` to arrive.
    """
    ledgers = read_dispute_entries(dispute_entries)
    owners = Organizations(organizations, subscriptions, balances, unreadable)
    around = Surroundings(owners, packs, dollars_to_units, as_of)
    cases = dispute_cases(disputes, purchases, ledgers)
    readings = _read_by_organization([case for case in cases if case.livemode == livemode], ledgers, dollars_to_units)
    nothing = Reading({}, {}, ())
    judgements = [judge(case, readings.get(case.organization_id, nothing), owners, livemode) for case in cases]
    return PositionResult(
        positions=DISPUTE_POSITIONS.from_rows(_position(judgement) for judgement in judgements),
        findings=findings_frame([finding for judgement in judgements for finding in findings_of(judgement, around)]),
    )


def _read_by_organization(
    cases: list[DisputeCase], ledgers: DisputeLedgers, dollars_to_units: float
) -> dict[str | None, Reading]:
    """The best reading of each organization's credits by hand, over all its disputes at once."""
    claims: dict[str | None, list[Claim]] = {}
    for case in cases:
        claim = case.claim(dollars_to_units)
        if claim is not None and case.organization_id in ledgers.by_hand:
            claims.setdefault(case.organization_id, []).append(claim)
    return {name: read_hand_credits(ledgers.by_hand[name], found) for name, found in claims.items() if name is not None}


def _position(judgement: Judgement) -> dict[str, object]:
    case, money = judgement.case, judgement.case.money
    return {
        "dispute_id": case.dispute_id,
        "organization_id": case.organization_id,
        "charge_id": case.charge_id,
        "status": case.status,
        "currency": money.currency,
        "withdrawn_minor": money.withdrawn_minor,
        "reinstated_minor": money.reinstated_minor,
        "fraction": money.fraction,
        "clawed_back_units": case.clawed_back_units,
        "credited_units": judgement.credited_units,
        "due_units": judgement.due_units,
        "decision": judgement.decision,
        "reason": judgement.reason,
    }
