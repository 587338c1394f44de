"""One account for each charge of a pack: what money did at Stripe, and what units did in the ledgers.

See docs/stripe.md, "The account of a purchase". Money is in minor units of the charge's currency and shares are shares
of what was captured; units are what the ledgers say: nothing is taken from the price list but what a pack should give.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from billing_dq.reconcile.disputes.cases import PackPrice
from billing_dq.reconcile.pending import Pending
from billing_dq.reconcile.purchases.ledgers import PaidLedgers

#: The clock of the application may be behind Stripe's by so much.
_CLOCKS_DIFFER = pd.Timedelta(hours=1)
#: A clawback is written by a webhook; one that is retried arrives within the hour.
_WEBHOOK = timedelta(hours=1)
#: Statuses in which the money of a refund is with us.
CAME_BACK = ("failed", "canceled")
#: Statuses in which a dispute leaves the money with us: decided for us, or an inquiry, which moves none. One that was
#: prevented gave the money back.
_MONEY_IS_OURS = ("won", "warning_needs_response", "warning_under_review", "warning_closed")


@dataclass(frozen=True)
class Payments:
    """Stripe's side of purchases.

    Attributes:
        charges: `STRIPE_CHARGES`.
        refunds: `STRIPE_REFUNDS`; None where they could not be read.
        disputes: `STRIPE_DISPUTES`.
        positions: `DISPUTE_POSITIONS` of them; None where they were not judged.
        livemode: the mode of the key that read them: charges of the other mode have no account.
        charges_since, refunds_since: the instants from which on none is missing in the list.
        unreadable_refunds: refunds that could not be read.
    """

    charges: pd.DataFrame
    refunds: pd.DataFrame | None
    disputes: pd.DataFrame
    positions: pd.DataFrame | None
    livemode: bool
    charges_since: datetime | None = None
    refunds_since: datetime | None = None
    unreadable_refunds: frozenset[str] = frozenset()


def purchase_accounts(
    payments: Payments, ledgers: PaidLedgers, packs: Mapping[str, PackPrice], pending: Pending
) -> pd.DataFrame:
    """The accounts, by charge.

    Args:
        payments: charges, refunds and disputes of Stripe.
        ledgers: what the ledgers say.
        packs: the application's packs by id.
        pending: the instant of the snapshot.

    Returns:
        `STRIPE_CHARGES` of the key's mode with

        - ``paid_minor``: captured and paid, 0 where nothing was; ``returned_minor``: of it what a refund gave back or
          will; ``refunded_least`` and ``refunded_most``: between these is what the ledger should have followed by now
          (a refund of the last hour, one under way, an amount that was never captured lie between); ``refund_count``;
        - ``is_ours``: whether no dispute has the money or may have it;
        - ``topup_id``, ``topup_organization_id``, ``topup_units``, ``topup_at``: what it bought, null where no ledger
          has it; ``given_units``: the same with what people corrected;
        - ``pack_units``: what the pack gives by the settings; ``pack_cents`` its price there; null where unknown;
        - ``disputed_units``: clawed back for disputes and not to be given back; ``to_dispute_units``: withdrawn by
          disputes and not clawed back; ``lost_share``: of the money, what disputes withdrew and did not give back.
    """
    rows = payments.charges[payments.charges["livemode"] == payments.livemode].reset_index(drop=True)
    paid = rows["captured_minor"].fillna(rows["amount_minor"]).astype("float64")
    rows = rows.assign(
        paid_minor=paid,
        is_ours=_is_ours(rows, payments.disputes),
        pack_units=rows["pack_id"].map({name: pack.units for name, pack in packs.items()}).astype("float64"),
        pack_cents=rows["pack_id"].map({name: pack.price_cents for name, pack in packs.items()}).astype("float64"),
    )
    rows = _with_refunds(rows, payments.refunds, pending.as_of)
    rows = _with_topups(rows, ledgers)
    return _with_disputes(rows, payments)


def _is_ours(charges: pd.DataFrame, disputes: pd.DataFrame) -> "pd.Series[bool]":
    lost = disputes.loc[~disputes["status"].isin(_MONEY_IS_OURS), "charge_id"]
    # A dispute that is not in the table is too old to be known: nothing is claimed about its charge.
    unknown = charges["disputed"] & ~charges["charge_id"].isin(disputes["charge_id"])
    return ~unknown & ~charges["charge_id"].isin(lost)


def _with_refunds(rows: pd.DataFrame, refunds: pd.DataFrame | None, as_of: datetime) -> pd.DataFrame:
    """What was refunded of each charge: by its list of refunds, and by its own sum, which knows older ones.

    The charge's own sum counts what was authorized and never captured as well, in some versions of the API.
    """
    own, released = rows["refunded_minor"].astype("float64"), rows["amount_minor"] - rows["paid_minor"]
    of_paid = (own - released).clip(lower=0)
    if refunds is None:
        return rows.assign(
            returned_minor=of_paid.clip(upper=rows["paid_minor"]),
            refunded_least=0.0,
            refunded_most=rows["paid_minor"],
            refund_count=0,
        )
    alive = refunds[~refunds["status"].isin(CAME_BACK)]
    settled = alive[(alive["status"] == "succeeded") & (alive["created"] <= as_of - _WEBHOOK)]

    def listed(which: pd.DataFrame) -> "pd.Series[float]":
        sums = which.groupby("charge_id")["amount_minor"].sum()
        return rows["charge_id"].map(sums).fillna(0.0).astype("float64")

    going = listed(alive)
    least = listed(settled).clip(lower=of_paid - (going - listed(settled)))
    return rows.assign(
        returned_minor=going.clip(lower=of_paid).clip(upper=rows["paid_minor"]),
        refunded_least=least.clip(lower=0).clip(upper=rows["paid_minor"]),
        refunded_most=going.clip(lower=own).clip(upper=rows["paid_minor"]),
        refund_count=rows["charge_id"].map(alive["charge_id"].value_counts()).fillna(0).astype("int64"),
    )


def _with_topups(rows: pd.DataFrame, ledgers: PaidLedgers) -> pd.DataFrame:
    """Each charge with the top-up that it bought: of its session, in its own organization's ledger before another's."""
    topups = ledgers.purchases.sort_values(["at", "organization_id", "entry_id"], ignore_index=True)
    places = pd.Series(topups.index.astype("float64"), dtype="float64")
    own = pd.Series(places.to_numpy(), pd.MultiIndex.from_frame(topups[["organization_id", "stripe_session_id"]]))
    anywhere = pd.Series(places.to_numpy(), topups["stripe_session_id"])
    key = pd.MultiIndex.from_frame(rows[["organization_id", "stripe_session_id"]])
    place = pd.Series(own[~own.index.duplicated()].reindex(key).to_numpy(), rows.index)
    place = place.fillna(rows["stripe_session_id"].map(anywhere[~anywhere.index.duplicated()]).astype("float64"))
    place = place.fillna(_of_nameless(rows, topups))
    bought = topups.reindex(place).set_axis(rows.index)
    rows = rows.assign(
        topup_id=bought["entry_id"],
        topup_organization_id=bought["organization_id"],
        topup_units=bought["amount"],
        topup_at=bought["at"],
    )
    names = (rows["charge_id"], rows["stripe_session_id"], rows["topup_id"])
    corrected = ledgers.corrected(rows["topup_organization_id"], *names)
    return rows.assign(given_units=rows["topup_units"] + corrected)


def _of_nameless(rows: pd.DataFrame, topups: pd.DataFrame) -> "pd.Series[float]":
    """Places of the top-ups of charges without session: of the organization, of the pack's units, not before the charge
    and claimed by no other; each serves one charge, the oldest first.
    """
    nameless = rows[rows["stripe_session_id"].isna() & rows["organization_id"].notna() & (rows["paid_minor"] > 0)]
    free = topups[topups["organization_id"].isin(nameless["organization_id"])]
    free = free[~free["stripe_session_id"].isin(rows["stripe_session_id"].dropna())]
    candidates: dict[str, list[tuple[float, pd.Timestamp, float]]] = {}
    for place, name, at, units in free[["organization_id", "at", "amount"]].itertuples(name=None):
        candidates.setdefault(str(name), []).append((float(place), pd.Timestamp(at), float(units)))
    places: dict[int, float] = {}
    ordered = nameless.sort_values(["created", "charge_id"])[["organization_id", "created", "pack_units"]]
    # One by one, because a top-up that serves one charge serves no other; charges without session are few.
    for index, name, created, units in ordered.itertuples(name=None):
        earliest, free_topups = pd.Timestamp(created) - _CLOCKS_DIFFER, candidates.get(str(name), [])
        for topup in free_topups:
            if topup[1] >= earliest and (np.isnan(units) or bool(np.isclose(topup[2], units))):
                places[int(index)] = topup[0]
                free_topups.remove(topup)
                break
    return pd.Series(places, dtype="float64").reindex(rows.index)


def _with_disputes(rows: pd.DataFrame, payments: Payments) -> pd.DataFrame:
    """What disputes took and no reinstatement gives back, for no more than the disputed share of each."""
    if payments.positions is None:
        return rows.assign(disputed_units=0.0, to_dispute_units=0.0, lost_share=0.0)
    amounts = payments.disputes[["dispute_id", "amount_minor"]].rename(columns={"amount_minor": "disputed_minor"})
    of_charge = rows[["charge_id", "paid_minor", "given_units"]]
    disputes = payments.positions.merge(amounts, on="dispute_id").merge(of_charge, on="charge_id")
    share = (disputes["disputed_minor"] / disputes["paid_minor"]).clip(upper=1.0)
    right = (share * disputes["given_units"]).apply(np.ceil)
    withdrawn = 1 - disputes["fraction"].fillna(0.0)
    clawed_back = disputes["clawed_back_units"]
    is_missing = (clawed_back == 0) & (disputes["withdrawn_minor"] > 0)
    units = pd.DataFrame(
        {
            "charge_id": disputes["charge_id"],
            "disputed_units": clawed_back.clip(upper=right) * withdrawn,
            "to_dispute_units": (right * withdrawn).where(is_missing, 0.0),
            "lost_share": (share * withdrawn).where(disputes["withdrawn_minor"] > 0, 0.0),
        }
    )
    sums = units.groupby("charge_id").sum().reindex(rows["charge_id"]).fillna(0.0).astype("float64")
    return pd.concat([rows, sums.set_axis(rows.index)], axis=1)
