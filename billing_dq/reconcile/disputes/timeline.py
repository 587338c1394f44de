"""The story of one dispute across Stripe and the ledger, for people."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.disputes.cases import DisputeCase, dispute_cases
from billing_dq.reconcile.disputes.entries import read_dispute_entries
from billing_dq.reconcile.disputes.movements import movements_of, sort_movements
from billing_dq.vocabulary.references import TOOL_CREDIT


@dataclass(frozen=True)
class TimelineEvent:
    """Something that happened: when, on which side (`Stripe` or `ledger`), what, and how much of which unit."""

    at: pd.Timestamp
    side: str
    event: str
    amount: float
    unit: str
    reference: str


def timeline(
    dispute_id: str,
    disputes: pd.DataFrame,
    dispute_entries: pd.DataFrame,
    purchases: pd.DataFrame,
) -> tuple[TimelineEvent, ...]:
    """What happened to a dispute of a night, oldest first.

    Args:
        dispute_id: du_... or dp_...
        disputes: STRIPE_DISPUTES of the night.
        dispute_entries: DISPUTE_ENTRIES.
        purchases: PACK_PURCHASES.

    Raises:
        LookupError: the night holds no such dispute.
    """
    row = disputes[disputes["dispute_id"] == dispute_id]
    if row.empty:
        raise LookupError(f"no dispute {dispute_id}")
    (case,) = dispute_cases(row, purchases, read_dispute_entries(dispute_entries))
    events = [
        *_at_stripe(row),
        *_bought(row, purchases, case),
        *_in_ledger(dispute_entries, case, row["created"].iloc[0]),
    ]
    return tuple(sorted(events, key=lambda event: event.at))


def _at_stripe(disputes: pd.DataFrame) -> Iterator[TimelineEvent]:
    row = disputes.iloc[0]
    currency = str(row["currency"])
    opened = f"dispute opened, now {row['status']}"
    yield TimelineEvent(row["created"], "Stripe", opened, float(row["amount_minor"]), currency, str(row["charge_id"]))
    movements = movements_of(list(row["movements"]))
    conversions = sort_movements(movements).conversions
    for move in movements:
        event = "money withdrawn" if move.amount_minor < 0 else "money reinstated"
        event = "currency conversion" if move in conversions else event
        rate = "" if move.exchange_rate is None else f"exchange rate {move.exchange_rate:g}"
        yield TimelineEvent(pd.Timestamp(move.created), "Stripe", event, move.amount_minor, move.currency, rate)


def _bought(dispute: pd.DataFrame, purchases: pd.DataFrame, case: DisputeCase) -> Iterator[TimelineEvent]:
    """The top-up of the disputed checkout session."""
    session = str(dispute["stripe_session_id"].iloc[0])
    same = purchases.loc[purchases["stripe_session_id"] == session]
    for row in same.itertuples():  # one, or the ledger is broken
        if row.organization_id == case.organization_id:
            at, units = pd.Timestamp(str(row.at)), float(str(row.amount))
            yield TimelineEvent(at, "ledger", "pack bought", units, "units", session)


def _in_ledger(entries: pd.DataFrame, case: DisputeCase, opened: pd.Timestamp) -> Iterator[TimelineEvent]:
    """What names the dispute, in any ledger, and the credits by hand of its organization that may be for it."""
    named = {
        **{entry.entry_id: "clawback" for entry in (case.clawback, *case.second_clawbacks) if entry},
        **{entry.entry_id: "credit by this system" for entry in case.credits},
        **{entry.entry_id: "credit by hand" for entry in case.by_hand},
        **{entry.entry_id: "correction by hand" for entry in case.corrections},
        **{entry.entry_id: f"in the ledger of {entry.organization_id}" for entry in case.elsewhere},
    }
    since = case.money.first_withdrawal or opened
    for row in entries.to_dict("records"):  # hundreds at most
        event = named.get(str(row["entry_id"]))
        is_of_customer = row["organization_id"] == case.organization_id and row["at"] >= since
        if event is None and is_of_customer and str(row["ref_id"]).startswith(TOOL_CREDIT):
            event = "credit by hand (names no dispute)"
        if event is not None:
            yield TimelineEvent(row["at"], "ledger", event, float(row["amount"]), "units", str(row["ref_id"]))
