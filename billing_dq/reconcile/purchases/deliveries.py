"""Whether every pack that was paid gave its units, once, to who paid, and no other gave any.

See docs/domain.md, "Purchases and refunds", and docs/stripe.md, "Money without its entry". The webhook that writes the
top-up can be lost whole, and then nothing in the application tells of the payment.
"""

import math
from collections.abc import Mapping
from datetime import datetime

import numpy as np
import pandas as pd

from billing_dq.reconcile.findings.finding import records
from billing_dq.reconcile.pending import Pending
from billing_dq.reconcile.purchases.ledgers import PaidLedgers, findings_frame
from billing_dq.units import round_half_up

#: Another pack's definition may have been in force then: others bought the same units within so many days.
_AT_THAT_TIME = pd.Timedelta(days=30)


def packs_without_topup(accounts: pd.DataFrame, ledgers: PaidLedgers, pending: Pending) -> pd.DataFrame:
    """Charges whose money is ours and whose units are nobody's, or another organization's.

    Not judged are a charge that tells neither session nor organization, one whose ledger could not be read or was
    archived since, and one of the pending minutes.

    Args:
        accounts: as `purchase_accounts` makes them.
        ledgers: what the ledgers say.
        pending: the pending minutes: the webhook of a charge may be under way.

    Returns:
        Findings of kind `pack_without_topup` as `findings_frame` has them, the subject is the charge. The units are the
        pack's, less the share that was refunded and what a person gave in the charge's or the session's name; 0 where
        the pack is not in the settings.
    """
    told = accounts["stripe_session_id"].notna() | accounts["organization_id"].notna()
    missing = accounts["topup_id"].isna() | is_elsewhere(accounts, ledgers)
    judged = told & _was_paid(accounts, pending) & _is_kept(accounts) & missing
    judged &= ~ledgers.begins_after(accounts["organization_id"], accounts["created"])
    rows = accounts[judged & ~ledgers.unread(accounts["organization_id"])]
    by_hand = ledgers.corrected(rows["organization_id"], rows["charge_id"], rows["stripe_session_id"])
    owed: pd.Series[float] = (rows["pack_units"] * (1 - rows["returned_minor"] / rows["paid_minor"])).map(
        round_half_up, na_action="ignore"
    ) - by_hand
    rows = rows.assign(owed=owed).loc[~(owed < 1)]
    return findings_frame(
        rows.assign(
            kind="pack_without_topup",
            subject=rows["charge_id"],
            units=-rows["owed"].fillna(0.0) + 0.0,
            cause=None,
            explanation=[_undelivered(row) for row in records(rows)],
        )
    )


def topups_in_another_ledger(accounts: pd.DataFrame, ledgers: PaidLedgers, pending: Pending) -> pd.DataFrame:
    """Packs that one organization paid and another was given: what the other still has of them.

    What is owed to who paid is `packs_without_topup`'s: two ledgers are to be corrected, and each finding names both.

    Args:
        accounts: as `purchase_accounts` makes them.
        ledgers: what the ledgers say.
        pending: the pending minutes.

    Returns:
        Findings of kind `topup_in_another_ledger`, the subject is the charge, the organization the one that did not
        pay.
    """
    rows = accounts[is_elsewhere(accounts, ledgers) & _was_paid(accounts, pending)]
    taken = ledgers.refunded(rows["topup_organization_id"], rows["topup_id"]) + rows["disputed_units"]
    units = rows["given_units"] - taken
    rows = rows.assign(units=units).loc[units >= 1]
    return findings_frame(
        rows.assign(
            kind="topup_in_another_ledger",
            organization_id=rows["topup_organization_id"],
            subject=rows["charge_id"],
            cause=None,
            explanation=[
                f"{row['charge_id']} was paid for {row['organization_id']}, and its top-up of "
                f"{row['topup_units']:,.10g} units stands here, in the ledger of {row['topup_organization_id']}"
                for row in records(rows)
            ],
        )
    )


def is_elsewhere(accounts: pd.DataFrame, ledgers: PaidLedgers) -> "pd.Series[bool]":
    """Whether the top-up of each account stands in the ledger of an organization that did not pay.

    An organization without a balance document may have been merged into the other: it is not judged.
    """
    payer, holder = accounts["organization_id"], accounts["topup_organization_id"]
    known = payer.isin(ledgers.balances["organization_id"]) & ~ledgers.unread(payer)
    return payer.notna() & holder.notna() & (payer != holder) & known


def topups_of_wrong_units(
    accounts: pd.DataFrame, ledgers: PaidLedgers, pending: Pending, dollars_to_units: float
) -> pd.DataFrame:
    """Top-ups of other units than their pack gives, of kind `topup_wrong_units`; the subject is the charge.

    Returns:
        As `findings_frame` has them; units are signed: too many are owed to us, too few to the customer. Of a disputed
        pack it is the share whose money is ours: the clawback mirrors what was given for the other.
    """
    judged = has_wrong_units(accounts, ledgers, dollars_to_units) & _was_paid(accounts, pending)
    rows = accounts[judged & ~ledgers.unread(accounts["topup_organization_id"])]
    kept = 1 - rows["lost_share"].clip(upper=1.0)
    units: pd.Series[float] = ((rows["given_units"] - rows["pack_units"]) * kept).map(round_half_up)
    rows = rows.assign(units=units).loc[units != 0]
    return findings_frame(
        rows.assign(
            kind="topup_wrong_units",
            organization_id=rows["topup_organization_id"],
            subject=rows["charge_id"],
            cause=None,
            explanation=[
                f"{row['paid_minor']:.0f} {row['currency']} (minor units) were paid for {row['pack_id']}, which gives "
                f"{row['pack_units']:,.10g} units, and {row['given_units']:,.10g} were given"
                for row in records(rows)
            ],
        )
    )


def has_wrong_units(accounts: pd.DataFrame, ledgers: PaidLedgers, dollars_to_units: float) -> "pd.Series[bool]":
    """Whether the top-up of each account, in the ledger of who paid, is not what its pack gives.

    The settings know a pack as it is now. Units that are no known mistake (the cents, the dollars, the general ratio, a
    multiple, another pack's units) are the pack's of another time where its price was not today's, or where others were
    given the same in those days. Packs bought in numbers, at as many times the price, are right.
    """
    given, pack, paid = accounts["given_units"], accounts["pack_units"], accounts["paid_minor"]
    usd = accounts["currency"].str.lower() == "usd"
    at_price = (paid == accounts["pack_cents"]) & usd
    times = given / pack
    several = (times >= 2) & (times % 1 == 0) & (paid >= times * accounts["pack_cents"])
    here = accounts["organization_id"].isna() | (accounts["organization_id"] == accounts["topup_organization_id"])
    off = here & given.notna() & pack.notna() & (paid > 0) & ~np.isclose(given, pack) & ~several
    mistakes = [
        amount * factor
        for amount in (paid, accounts["amount_minor"], accounts["pack_cents"])
        for factor in (1, 0.01, dollars_to_units / 100)
    ]
    mistakes += [pack * factor for factor in (2, 3, 10, 100, 0.1, 0.01)]
    known = pd.Series(np.logical_or.reduce([np.isclose(given, units) for units in mistakes]), accounts.index)
    known |= given.isin(set(accounts["pack_units"].dropna()))
    doubtful = off & at_price & ~known
    others = _given_to_others(accounts[doubtful], ledgers.purchases).reindex(accounts.index, fill_value=False)
    return (off & known) | (doubtful & ~others)


def _given_to_others(accounts: pd.DataFrame, purchases: pd.DataFrame) -> "pd.Series[bool]":
    """Whether another top-up of the same units was bought near the time of each account's."""
    near = pd.Series(data=False, index=accounts.index)
    # For each amount at once: a pair for every two top-ups of one pack would be too many.
    for units, same in accounts.groupby("topup_units"):
        at = purchases.loc[purchases["amount"] == units, "at"].sort_values()
        until = np.asarray(at.searchsorted(same["topup_at"] + _AT_THAT_TIME, side="right"), dtype=np.int64)
        since = np.asarray(at.searchsorted(same["topup_at"] - _AT_THAT_TIME), dtype=np.int64)
        near.loc[same.index] = until - since > 1
    return near


def _was_paid(accounts: pd.DataFrame, pending: Pending) -> "pd.Series[bool]":
    return (accounts["paid_minor"] > 0) & (accounts["created"] <= pending.earliest)


def _is_kept(accounts: pd.DataFrame) -> "pd.Series[bool]":
    """Whether anything is left of the money: it was not refunded in full, and no dispute holds or took it."""
    return accounts["is_ours"] & (accounts["returned_minor"] < accounts["paid_minor"])


def _instant(value: object) -> str:
    at: datetime = pd.Timestamp(str(value))
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _undelivered(charge: Mapping[str, object]) -> str:
    session, owed = charge["stripe_session_id"], float(str(charge["owed"]))
    topup = f"no top-up of its session {session}" if isinstance(session, str) else "no top-up that fits it"
    paid = f"{float(str(charge['paid_minor'])):.0f} {charge['currency']} (minor units) were charged for "
    paid += str(charge["pack_id"])
    returned = float(str(charge["returned_minor"]))
    refunded = f", {returned:.0f} of them refunded" if returned else ""
    if isinstance(charge["topup_id"], str):
        topup = f"the top-up of its session {session} stands in the ledger of {charge['topup_organization_id']}"
    else:
        topup += " is in any ledger"
    units = "what the pack gives is not in the settings" if math.isnan(owed) else f"{owed:,.10g} units are owed"
    return f"{paid} at {_instant(charge['created'])}{refunded}, and {topup}: {units}"
