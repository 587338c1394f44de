"""Packs that were paid and never delivered: a charge at Stripe without its top-up.

See docs/stripe.md, "Money without its entry".

The webhook that writes the top-up can be lost whole, and then nothing in the application tells of the payment.
"""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from billing_dq.reconcile.disputes.cases import PackPrice
from billing_dq.reconcile.findings.finding import records
from billing_dq.reconcile.payments.ledgers import PaidLedgers, findings_frame
from billing_dq.reconcile.pending import Pending
from billing_dq.units import round_half_up

#: Statuses in which a dispute leaves the money with us: decided for us, or an inquiry, which moves none.
_MONEY_IS_OURS = ("won", "prevented", "warning_needs_response", "warning_under_review", "warning_closed")
#: The clock of the application may be behind Stripe's by so much.
_CLOCKS_DIFFER = pd.Timedelta(hours=1)


def packs_without_topup(
    charges: pd.DataFrame,
    disputes: pd.DataFrame,
    ledgers: PaidLedgers,
    packs: Mapping[str, PackPrice],
    pending: Pending,
    livemode: bool,
) -> pd.DataFrame:
    """Charges whose money is ours and whose units are nobody's.

    A charge that names its checkout session has the top-up of that session, in whatever ledger. One that names none
    (`__pending__` counts as absent) has a top-up of its organization that no session claims, of the pack's units, not
    before the charge; each top-up serves one charge, the oldest first. Not judged are a charge that tells neither
    session nor organization, one whose ledger could not be read, one of the pending minutes, one of another mode.

    Args:
        charges: STRIPE_CHARGES.
        disputes: STRIPE_DISPUTES; a charge whose dispute is open or lost is no business of this rule.
        ledgers: what the ledgers say.
        packs: the application's packs by id.
        pending: the pending minutes: the webhook of a charge may be under way.
        livemode: the mode of the key that read Stripe.

    Returns:
        Findings of kind `pack_without_topup` as `findings_frame` has them, the subject is the charge. The units are the
        pack's, less the share that was refunded; 0 where the pack is not in the settings.
    """
    told = charges["stripe_session_id"].notna() | charges["organization_id"].notna()
    judged = told & (charges["livemode"] == livemode) & (charges["created"] <= pending.earliest)
    judged &= ~ledgers.unread(charges["organization_id"]) & _is_ours(charges, disputes)
    delivered = charges["stripe_session_id"].isin(ledgers.purchases["stripe_session_id"])
    delivered |= _delivered_without_session(charges, ledgers.purchases, packs)
    rows = charges[judged & ~delivered]
    units = rows["pack_id"].map({name: pack.units for name, pack in packs.items()}).astype("float64")
    owed = units * (1 - rows["refunded_minor"] / rows["amount_minor"])
    owed = owed.map(round_half_up, na_action="ignore")
    return findings_frame(
        rows.assign(
            kind="pack_without_topup",
            subject=rows["charge_id"],
            units=-owed.fillna(0.0) + 0.0,
            cause=None,
            explanation=[_sentence(row) for row in records(rows.assign(owed=owed))],
        )
    )


def _is_ours(charges: pd.DataFrame, disputes: pd.DataFrame) -> "pd.Series[bool]":
    """Whether anything is left of the money: it was not refunded in full, and no dispute holds or took it."""
    held = disputes.loc[~disputes["status"].isin(_MONEY_IS_OURS), "charge_id"]
    # A dispute that is not in the table is too old to be known: nothing is claimed about its charge.
    unknown = charges["disputed"] & ~charges["charge_id"].isin(disputes["charge_id"])
    refunded = charges["refunded_minor"] >= charges["amount_minor"]
    return ~refunded & ~unknown & ~charges["charge_id"].isin(held)


def _delivered_without_session(
    charges: pd.DataFrame, purchases: pd.DataFrame, packs: Mapping[str, PackPrice]
) -> "pd.Series[bool]":
    """Whether a charge without session has a top-up that no other charge claims."""
    nameless = charges[charges["stripe_session_id"].isna() & charges["organization_id"].notna()]
    free = purchases[~purchases["stripe_session_id"].isin(charges["stripe_session_id"].dropna())]
    free = free[free["organization_id"].isin(nameless["organization_id"])].sort_values(["at", "entry_id"])
    used: set[object] = set()
    found: set[object] = set()
    # One by one, because a top-up that serves one charge serves no other; charges without session are few.
    for charge in nameless.sort_values(["created", "charge_id"]).itertuples():
        pack = packs.get(str(charge.pack_id))
        fits = (free["organization_id"] == charge.organization_id) & ~free.index.isin(list(used))
        fits &= free["at"] >= pd.Timestamp(str(charge.created)) - _CLOCKS_DIFFER
        if pack is not None:
            fits &= np.isclose(free["amount"], pack.units)
        if bool(fits.any()):
            used.add(free.index[fits][0])
            found.add(charge.charge_id)
    return charges["charge_id"].isin(list(found))


def _sentence(charge: Mapping[str, object]) -> str:
    session, owed = charge["stripe_session_id"], float(str(charge["owed"]))
    topup = f"no top-up of its session {session}" if isinstance(session, str) else "no top-up that fits it"
    paid = f"{charge['amount_minor']} {charge['currency']} (minor units) were charged for {charge['pack_id']}"
    at = pd.Timestamp(str(charge["created"])).strftime("%Y-%m-%dT%H:%M:%SZ")
    refunded = f", {charge['refunded_minor']} of them refunded" if charge["refunded_minor"] else ""
    units = "what the pack gives is not in the settings" if math.isnan(owed) else f"{owed:,.10g} units are owed"
    return f"{paid} at {at}{refunded}, and {topup} is in any ledger: {units}"
