"""What is wrong with a dispute: each kind told apart, in one sentence with the numbers.

See docs/domain.md, "Disputes of packs".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from billing_dq.reconcile.disputes.cases import DisputeCase, PackPrice
from billing_dq.reconcile.disputes.decisions import Judgement, Organizations

#: A clawback is written by a webhook; one that is retried arrives within the hour.
CLAWBACK_PENDING = timedelta(hours=1)

#: Refusals that leave units open for a person; without a clawback nothing is open.
_NO_PLACE = ("organization_unknown", "no_balance_document", "ledger_of_other_mode")


@dataclass(frozen=True)
class Surroundings:
    """What the findings need beside the judgement."""

    organizations: Organizations
    packs: Mapping[str, PackPrice]
    dollars_to_units: float
    as_of: datetime


@dataclass(frozen=True)
class DisputeFinding:
    """A finding before it has a life; units are positive where the customer has too many, negative where too few."""

    kind: str
    organization_id: str | None
    subject: str
    units: float
    cause: str | None
    explanation: str
    broken_since: datetime | None


def findings_of(judgement: Judgement, around: Surroundings) -> list[DisputeFinding]:
    """The findings of one dispute."""
    case = judgement.case
    if judgement.reason == "wrong_mode":
        mode = "live" if case.livemode else "test"
        return [_finding(case, "livemode_mix", 0.0, f"dispute of {mode} mode, which is not the key's")]
    if not case.is_pack:
        return [_parked(judgement)] if judgement.decision == "parked" else []
    found = [*_withdrawals(judgement)]
    # Unreadable is not absent: a ledger that could not be read causes no finding about what is not in it.
    if not around.organizations.unreadable(case.organization_id):
        found += [*_clawbacks(judgement, around), *_credits(judgement, around.dollars_to_units), *_open(judgement)]
    if judgement.decision == "parked" and judgement.reason != "second_withdrawal":
        found.append(_parked(judgement))
    return found


def findings_frame(findings: list[DisputeFinding]) -> pd.DataFrame:
    """Findings as a frame: kind, organization_id, subject (the dispute), units, cause, explanation, broken_since."""
    frame = pd.DataFrame([vars(finding) for finding in findings], columns=list(DisputeFinding.__annotations__))
    dtypes = {"units": "float64", "broken_since": "datetime64[ms, UTC]"}
    return frame.astype({name: dtypes.get(name, "str") for name in frame.columns})


def _withdrawals(judgement: Judgement) -> Iterator[DisputeFinding]:
    money = judgement.case.money
    if money.problem == "second_withdrawal":
        text = (
            f"money was withdrawn twice: {_money(judgement.case)}; {judgement.credited_units:,.0f} units are credited"
        )
        yield _finding(judgement.case, "dispute_second_withdrawal", 0.0, text)


def _clawbacks(judgement: Judgement, around: Surroundings) -> Iterator[DisputeFinding]:
    case, money = judgement.case, judgement.case.money
    yield from _wrong_clawbacks(judgement, around)
    last = money.last_withdrawal
    if case.clawback or case.elsewhere or last is None or last > around.as_of - CLAWBACK_PENDING:
        return
    if money.problem == "second_withdrawal" or judgement.reason == "clawed_back_by_hand":
        return
    if case.reinstated:
        text = f"{_money(case)}, but no units were clawed back: nothing is credited"
        yield _finding(case, "dispute_reinstated_without_clawback", 0.0, text)
        return
    units = case.missing_clawback_units(around.packs, around.dollars_to_units)
    by_hand = judgement.account.taken_by_hand
    if units is None and not by_hand:
        text = f"{_money(case)}, but no units were clawed back; how many these are is not known"
        yield _finding(case, "dispute_clawback_missing", 0.0, text)
    elif units is not None and units - by_hand >= 1:
        text = f"{_money(case)}, but the {units - by_hand:,.0f} units were not clawed back"
        yield _finding(case, "dispute_clawback_missing", units - by_hand, text)


def _wrong_clawbacks(judgement: Judgement, around: Surroundings) -> Iterator[DisputeFinding]:
    """What clawbacks took twice, in a wrong amount, or for units that were gone, less what was settled since."""
    case, wrong = judgement.case, judgement.account.still_owed
    taken = f"clawed back {case.clawed_back_units:,.0f} units"
    if wrong.again:
        extra = sum(entry.units for entry in case.second_clawbacks)
        text = f"{taken}, and again {extra:,.0f}" if extra else f"{taken}, and again by hand"
        text += "" if wrong.again == extra else f": {wrong.again:,.0f} are owed to the customer"
        yield _finding(case, "dispute_clawed_back_twice", -wrong.again, text)
    share = case.share_of_pack(around.packs)
    if share is not None and wrong.surplus + wrong.shortfall:
        text = f"{taken} of {share.rounded:,.0f}: the disputed part of the pack's {share.of_units:,.0f}"
        yield _finding(case, "dispute_clawback_wrong_units", wrong.shortfall - wrong.surplus, text)
    if wrong.expired and case.clawback and case.topup_units:
        text = (
            f"{taken} of a pack of which {case.clawback.expired_before:,.0f} of {case.topup_units:,.0f} had expired: "
            f"{wrong.expired:,.0f} were taken from what nobody disputed"
        )
        yield _finding(case, "dispute_clawback_of_expired_pack", -wrong.expired, text)


def _credits(judgement: Judgement, dollars_to_units: float) -> Iterator[DisputeFinding]:
    """Credits that should not be, or are not what they should be. Nothing is said where the share is not known."""
    case, credited = judgement.case, judgement.credited_units
    if not credited or case.money.problem:
        return
    if not case.reinstated:
        text = f"{credited:,.0f} units were credited, but no money came back ({case.status})"
        yield _finding(case, "dispute_credit_without_reinstatement", credited, text)
        return
    owed = case.to_credit_units
    numbers = f"{credited:,.0f} units credited of {owed:,.0f} owed"
    if credited > owed and len(case.credits) + len(case.by_hand) + len(judgement.by_hand) > 1:
        yield _finding(case, "dispute_credited_twice", credited - owed, f"{numbers}, by more than one credit")
    elif credited > owed:
        yield _finding(case, "dispute_credit_wrong_units", credited - owed, f"{numbers}: not the units clawed back")
    elif judgement.open_units and (judgement.by_hand or case.own_credit_units in case.mistaken_units(dollars_to_units)):
        text = f"{numbers}: dollars, cents or the general ratio instead of the units clawed back"
        yield _finding(case, "dispute_credit_wrong_units", credited - owed, text)


def _open(judgement: Judgement) -> Iterator[DisputeFinding]:
    case, units = judgement.case, judgement.open_units
    if not units or not (judgement.decision == "due" or judgement.reason in _NO_PLACE):
        return
    text = f"{_money(case)}: {units:,.0f} of {case.clawed_back_units:,.0f} units clawed back are still to be credited"
    if judgement.decision == "refused":
        text += f", which cannot be done ({judgement.reason})"
    yield _finding(case, "dispute_credit_due", -units, text)


def _parked(judgement: Judgement) -> DisputeFinding:
    case = judgement.case
    text = f"parked for a person ({judgement.reason}): {_money(case)}, {case.clawed_back_units:,.0f} units clawed back"
    text += f", {judgement.credited_units:,.0f} credited"
    at_stake = 0.0 if case.money.fraction is None else -judgement.open_units
    return _finding(case, "dispute_parked", at_stake, text)


def _money(case: DisputeCase) -> str:
    money = case.money
    return f"withdrawn {money.withdrawn_minor}, reinstated {money.reinstated_minor} (minor units of {money.currency})"


def _finding(case: DisputeCase, kind: str, units: float, explanation: str) -> DisputeFinding:
    return DisputeFinding(kind, case.organization_id, case.dispute_id, units, None, explanation, _since(case, kind))


def _since(case: DisputeCase, kind: str) -> datetime | None:
    """The entry that is wrong, else the newest movement of money that should have had one."""
    entries = {
        "dispute_clawback_wrong_units": (case.clawback,),
        "dispute_clawback_of_expired_pack": (case.clawback,),
        "dispute_clawed_back_twice": case.second_clawbacks,
        "dispute_credited_twice": (*case.credits, *case.by_hand)[-1:],
        "dispute_credit_wrong_units": (*case.credits, *case.by_hand),
        "dispute_credit_without_reinstatement": (*case.credits, *case.by_hand),
    }.get(kind, ())
    money = case.money.last_reinstatement or case.money.last_withdrawal
    return next((entry.at for entry in entries if entry is not None), money)
