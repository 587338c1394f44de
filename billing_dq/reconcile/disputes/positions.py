"""The position of every dispute: what was taken and given back on both sides, what is due, and what is wrong.

The rules are those of docs/stripe.md, "The money of a dispute" and "The credit of a reinstated dispute". A clawback is
mirrored in the proportion in which the money came back; money is never turned into units that are credited. Only the
disputes that were read are
judged: a credit for a dispute older than the look-back is no finding.
"""

from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.disputes.cases import dispute_cases
from billing_dq.reconcile.disputes.decisions import Claimed, Judgement, Organizations, judge
from billing_dq.reconcile.disputes.entries import DisputeLedgers, read_dispute_entries
from billing_dq.reconcile.disputes.hand_credits import Claim, Reading, read_hand_credits
from billing_dq.reconcile.findings.disputes import Surroundings, findings_frame, findings_of
from billing_dq.reconcile.inputs import ApplicationTables, Policy, StripeTables
from billing_dq.tables import DISPUTE_POSITIONS


@dataclass(frozen=True)
class PositionResult:
    """``positions``: DISPUTE_POSITIONS. ``findings``: kind, organization_id, subject, units, cause, explanation."""

    positions: pd.DataFrame
    findings: pd.DataFrame


def dispute_positions(ours: ApplicationTables, theirs: StripeTables, policy: Policy) -> PositionResult:
    """Judge every dispute that was read.

    Args:
        ours: organizations and subscriptions, which tell which organizations exist; balances, without which nothing
            can be credited; dispute entries and pack purchases of all organizations; unreadable keys, because a ledger
            that could not be read is never credited and causes no finding. A clawback may take `CLAWBACK_PENDING`
            before the instant of the snapshot to arrive.
        theirs: disputes, and the mode of the key that read them.
        policy: price in US cents and units of each pack, to say what should have been clawed back; and the general
            ratio, at which people credit by mistake.
    """
    dollars_to_units, livemode = policy.dollars_to_units, theirs.livemode
    ledgers = read_dispute_entries(ours.dispute_entries)
    owners = Organizations(ours.organizations, ours.subscriptions, ours.balances, ours.unreadable)
    around = Surroundings(owners, policy.packs, dollars_to_units, ours.weeks.as_of)
    cases = dispute_cases(theirs.disputes, ours.pack_purchases, ledgers)
    claimed = [Claimed.of(case, policy.packs) for case in cases]
    of_mode = [one for one in claimed if one.case.livemode == livemode]
    readings = _read_by_organization(of_mode, ledgers, dollars_to_units)
    nothing = Reading({}, frozenset(), frozenset())
    judgements = [judge(one, readings.get(one.case.organization_id, nothing), owners, livemode) for one in claimed]
    return PositionResult(
        positions=DISPUTE_POSITIONS.from_rows(_position(judgement) for judgement in judgements),
        findings=findings_frame([finding for judgement in judgements for finding in findings_of(judgement, around)]),
    )


def _read_by_organization(
    claimed: list[Claimed], ledgers: DisputeLedgers, dollars_to_units: float
) -> dict[str | None, Reading]:
    """The best reading of each organization's credits by hand, over all its disputes at once."""
    claims: dict[str | None, list[Claim]] = {}
    for one in claimed:
        claim, organization = one.claim(dollars_to_units), one.case.organization_id
        if claim is not None and organization in ledgers.by_hand:
            claims.setdefault(organization, []).append(claim)
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
