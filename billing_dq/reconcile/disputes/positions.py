"""The position of every dispute: what was taken and given back on both sides, what is due, and what is wrong.

The rules are those of docs/stripe.md, "The money of a dispute" and "The credit of a reinstated dispute". A clawback is
mirrored in the proportion in which the money came back; money is never turned into units that are credited. Only the
disputes that were read are
judged: a credit for a dispute older than the look-back is no finding.
"""

from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.disputes.cases import dispute_cases
from billing_dq.reconcile.disputes.decisions import Claimed, CreditsByHand, Judgement, Organizations, judge
from billing_dq.reconcile.disputes.entries import DisputeLedgers, read_dispute_entries
from billing_dq.reconcile.disputes.hand_credits import Claim, read_hand_credits
from billing_dq.reconcile.findings.disputes import Surroundings, findings_frame, findings_of
from billing_dq.reconcile.inputs import ApplicationTables, Policy, StripeTables
from billing_dq.tables import DISPUTE_POSITIONS
from billing_dq.vocabulary.likeness import dispute_key


@dataclass(frozen=True)
class PositionResult:
    """``positions``: DISPUTE_POSITIONS. ``findings``: kind, organization_id, subject, units, cause, explanation."""

    positions: pd.DataFrame
    findings: pd.DataFrame


def dispute_positions(application: ApplicationTables, stripe: StripeTables, policy: Policy) -> PositionResult:
    """Judge every dispute that was read.

    Args:
        application: organizations and subscriptions, which tell who exists; balances, without which nothing can be
            credited; dispute entries and pack purchases of all organizations; unreadable keys, because a ledger
            that could not be read is never credited and causes no finding. A clawback may take `CLAWBACK_PENDING`
            before the instant of the snapshot to arrive.
        stripe: disputes, and the mode of the key that read them.
        policy: price in US cents and units of each pack, to say what should have been clawed back; and the general
            ratio, at which people credit by mistake.
    """
    dollars_to_units, livemode = policy.dollars_to_units, stripe.livemode
    ledgers = read_dispute_entries(application.dispute_entries)
    owners = Organizations(
        application.organizations, application.subscriptions, application.balances, application.unreadable
    )
    around = Surroundings(owners, policy.packs, dollars_to_units, application.weeks.as_of)
    cases = dispute_cases(stripe.disputes, application.pack_purchases, ledgers)
    claimed = [Claimed.of(case, policy.packs) for case in cases]
    by_organization = _credits_by_hand(claimed, ledgers, dollars_to_units, livemode)
    judgements = [
        judge(dispute, by_organization[dispute.case.organization_id], owners, livemode) for dispute in claimed
    ]
    return PositionResult(
        positions=DISPUTE_POSITIONS.from_rows(_position(judgement) for judgement in judgements),
        findings=findings_frame([finding for judgement in judgements for finding in findings_of(judgement, around)]),
    )


def _credits_by_hand(
    claimed: list[Claimed], ledgers: DisputeLedgers, dollars_to_units: float, livemode: bool
) -> dict[str | None, CreditsByHand]:
    """The credits by hand of each organization, over all its disputes of the key's mode at once."""
    claims: dict[str | None, list[Claim]] = {dispute.case.organization_id: [] for dispute in claimed}
    for dispute in claimed:
        claim = dispute.claim(dollars_to_units)
        if claim is not None and dispute.case.livemode == livemode:
            claims[dispute.case.organization_id].append(claim)
    keys = {dispute_key(dispute.case.dispute_id) for dispute in claimed}
    credits: dict[str | None, CreditsByHand] = {}
    for name, of_organization in claims.items():
        by_tool = ledgers.by_hand.get(name, []) if name is not None else []
        reading = read_hand_credits(by_tool, of_organization)
        unexplained = ledgers.unexplained.get(name, []) if name is not None else []
        # what names a dispute is counted there, and is in doubt for no other one
        nameless = [credit for credit in unexplained if not credit.names & keys]
        credits[name] = CreditsByHand(reading, [*reading.left_over(by_tool), *nameless])
    return credits


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
