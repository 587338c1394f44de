"""Whether every refund took its units, once, in the right share, and no units were taken for anything else.

See docs/domain.md, "Purchases and refunds", and docs/stripe.md, "The account of a purchase". The application hears of a
refund by an event that may not tell it, and hears of one that fails later not at all. What was refunded and what was
taken are compared in all for each charge, so that several refunds and one entry over their sum agree.
"""

from datetime import timedelta

import numpy as np
import pandas as pd

from billing_dq.reconcile.findings.finding import records
from billing_dq.reconcile.purchases.accounts import CAME_BACK, Payments
from billing_dq.reconcile.purchases.deliveries import is_elsewhere
from billing_dq.reconcile.purchases.ledgers import PaidLedgers, findings_frame, no_findings
from billing_dq.units import round_half_up

#: An entry may follow its refund so late: nothing is said of one that the list of refunds may just have left.
_LATE_ENTRY = timedelta(days=7)
#: The clock of the application may be behind Stripe's by so much.
_CLOCKS_DIFFER = timedelta(hours=1)


def failed_refunds(refunds: pd.DataFrame, ledgers: PaidLedgers) -> pd.DataFrame:
    """Ledger entries of refunds whose money never reached the customer, and whose units were not given back.

    A refund made anew in its place has an entry of its own, and the failed one's units stay owed. They are given back
    by an adjustment that names the refund, `correction-<refund>`. A credit of the application's tool names nothing.

    Args:
        refunds: STRIPE_REFUNDS.
        ledgers: what the ledgers say.

    Returns:
        Findings of kind `refund_failed` as `findings_frame` has them, the subject is the refund, the cause its status.
    """
    failed = refunds.loc[refunds["status"].isin(CAME_BACK), ["refund_id", "status", "charge_id"]]
    rows = ledgers.refunds_taken.merge(failed, on="refund_id")
    owed: pd.Series[float] = rows["units"] - ledgers.corrected(rows["organization_id"], rows["refund_id"])
    rows = rows.assign(owed=owed).loc[owed > 0]
    return findings_frame(
        rows.assign(
            kind="refund_failed",
            subject=rows["refund_id"],
            units=-rows["owed"],
            cause=rows["status"],
            explanation=[
                f"the refund of {charge if isinstance(charge, str) else 'an unknown charge'} is {status} at Stripe, so "
                f"its money is back with us, and the {units:,.10g} units that the ledger took for it are not with the "
                "customer"
                for charge, status, units in zip(rows["charge_id"], rows["status"], rows["owed"], strict=True)
            ],
        )
    )


def unknown_refunds(accounts: pd.DataFrame, payments: Payments, ledgers: PaidLedgers) -> pd.DataFrame:
    """Units taken for refunds that Stripe does not know, of kind `refund_unknown_at_stripe`.

    Only what the list of refunds would show is claimed.

    Args:
        accounts: as `purchase_accounts` makes them: what an entry of an older version took is judged with its account,
            and here only where its session has none.
        payments: refunds; without them nothing is claimed.
        ledgers: what the ledgers say.

    Returns:
        As `findings_frame` has them; the subject is the refund, of an entry of an older version its session.
    """
    if payments.refunds is None:
        return no_findings()
    entries = ledgers.refunds_taken
    nameless = _is_of_no_account(entries, accounts, payments, payments.refunds)
    rows = entries[nameless | _is_unknown(entries, payments, payments.refunds)]
    rows = rows.assign(subject=rows["refund_id"].fillna(rows["session"]))
    owed: pd.Series[float] = rows["units"] - ledgers.corrected(rows["organization_id"], rows["subject"])
    rows = rows.assign(owed=owed).loc[owed > 0]
    return findings_frame(
        rows.assign(
            kind="refund_unknown_at_stripe",
            units=-rows["owed"],
            cause=None,
            explanation=[
                f"{row['owed']:,.10g} units were taken for the refund "
                f"{'' if row['subject'] == row['refund_id'] else 'of the session '}{row['subject']}, which Stripe does "
                "not know: no money went back"
                for row in records(rows)
            ],
        )
    )


def refunded_accounts(
    accounts: pd.DataFrame, entitled: "pd.Series[float]", payments: Payments, ledgers: PaidLedgers
) -> pd.DataFrame:
    """The accounts whose refunds can be judged, with what refunds took of each.

    Args:
        accounts: as `purchase_accounts` makes them.
        entitled: units of each account that its money was paid for.
        payments: refunds; without them no account can be judged.
        ledgers: what the ledgers say.

    Returns:
        ``accounts`` with ``entitled``; ``old`` and ``new``: units that entries of an older version and of a newer took
        for refunds; ``taken``: both, less what people corrected.
    """
    held = (accounts["paid_minor"] > 0) & accounts["topup_id"].notna() & entitled.notna()
    held &= ~accounts.duplicated(["topup_organization_id", "topup_id"], keep=False)
    # Of a pack in another ledger all that is left there is one finding.
    held &= ~is_elsewhere(accounts, ledgers) & ~ledgers.unread(accounts["topup_organization_id"])
    held &= payments.refunds is not None
    rows = accounts[held].assign(entitled=entitled[held])
    if payments.refunds is None:
        return rows.assign(old=0.0, new=0.0, taken=0.0)
    taken = _taken(rows, payments, payments.refunds, ledgers)
    rows = rows.assign(taken=taken["new"] + taken["old"], old=taken["old"], new=taken["new"])
    return rows.assign(taken=rows["taken"] - _corrected(rows, payments.refunds, ledgers))


def clawbacks_of_what_is_left(
    findings: pd.DataFrame, positions: pd.DataFrame, refunded: pd.DataFrame, elsewhere: "pd.Series[str]"
) -> pd.DataFrame:
    """The findings of disputes, where no more is missing of a pack than refunds left of it.

    Args:
        findings: as `dispute_positions` has them.
        positions: DISPUTE_POSITIONS of the same disputes.
        refunded: as `refunded_accounts` makes them.
        elsewhere: charges whose pack another ledger has: `topup_in_another_ledger` owns all that is left of it.

    Returns:
        ``findings``; a `dispute_clawback_missing` of which nothing is left is none.
    """
    charge = findings["subject"].map(positions.set_index("dispute_id")["charge_id"])
    by_charge = refunded[refunded["taken"] > 0].drop_duplicates("charge_id").set_index("charge_id")
    left = charge.map((by_charge["entitled"] - by_charge["taken"]).clip(lower=0).map(round_half_up)).astype("float64")
    left = left.mask(charge.isin(elsewhere), 0.0)
    less = (findings["kind"] == "dispute_clawback_missing") & (left < findings["units"])
    text = [
        f"{row['explanation']}; refunds of the charge took {taken:,.10g} units, so that {units:,.10g} are missing"
        for row, taken, units in zip(records(findings), charge.map(by_charge["taken"]), left, strict=True)
    ]
    changed = findings.assign(
        units=findings["units"].mask(less, left), explanation=findings["explanation"].mask(less, text)
    )
    return changed[~less | (changed["units"] >= 1)].reset_index(drop=True)


def wrong_clawbacks(rows: pd.DataFrame, ledgers: PaidLedgers) -> pd.DataFrame:
    """What refunds took too much of or too little, a finding for each charge.

    Args:
        rows: as `refunded_accounts` makes them.
        ledgers: what the ledgers say.

    Returns:
        Findings as `findings_frame` has them, the subject is the charge:

        - `refund_clawback_missing`: nothing was taken; units that had expired, and those a dispute took or still has to
          take, are gone.
        - `refund_clawed_back_twice`: the entry of an older version and one of a newer took the same.
        - `refund_clawback_wrong_units`: any other difference; units are signed.
        - `refund_and_dispute_overlap`: both took their share, and that is more than the pack gave.
    """
    gone = rows["disputed_units"] + rows["to_dispute_units"]
    gone += ledgers.expired(rows["topup_organization_id"], rows["topup_id"])
    left = (rows["entitled"] - gone).clip(lower=0)
    share = rows["entitled"] / rows["paid_minor"]
    least, most = (share * rows["refunded_least"]).clip(upper=left), share * rows["refunded_most"]
    # Each entry is rounded, and newer versions of the application compute in whole cents.
    slack = rows["refund_count"].clip(lower=1) - 1e-6
    whole = (rows["pack_cents"].isna() & (rows["refunded_most"] > 0)) & np.isclose(rows["taken"], rows["entitled"])
    short = (least - rows["taken"]).where(least - rows["taken"] > slack, 0.0)
    over = (rows["taken"] - most).where((rows["taken"] - most > slack) & ~whole, 0.0)
    both = rows["taken"].clip(upper=most) + rows["disputed_units"] - rows["entitled"]
    both = both.where((rows["disputed_units"] > 0) & (rows["taken"] > 0), 0.0)
    rows = rows.assign(least=least, most=most, short=short, over=over, both=both.where(both > slack + 1, 0.0))
    return findings_frame(pd.concat([_one_each(rows), _overlaps(rows)]))


def _one_each(rows: pd.DataFrame) -> pd.DataFrame:
    twice = (rows["old"] > 0) & (rows["new"] > 0) & (rows["over"] > 0) & ((rows["over"] - rows["old"]).abs() <= 1)
    missing = (rows["short"] > 0) & (rows["taken"] == 0)
    kinds = rows.assign(
        kind=np.select([missing, twice], ["refund_clawback_missing", "refund_clawed_back_twice"], _WRONG),
        subject=rows["charge_id"],
        organization_id=rows["topup_organization_id"],
        units=(rows["least"].map(round_half_up) - rows["taken"]).where(rows["short"] > 0, 0.0)
        - (rows["taken"] - rows["most"].map(round_half_up)).where(rows["over"] > 0, 0.0),
        cause=None,
    )
    wrong = kinds.loc[kinds["units"] != 0]
    return wrong.assign(
        explanation=[
            f"{row['returned_minor']:.0f} of {row['paid_minor']:.0f} {row['currency']} (minor units) were refunded, "
            f"and {row['taken']:,.10g} units were taken of {row['least' if row['short'] else 'most']:,.0f}: "
            f"that share of the {row['entitled']:,.10g} bought"
            for row in records(wrong)
        ]
    )


_WRONG = "refund_clawback_wrong_units"


def _overlaps(rows: pd.DataFrame) -> pd.DataFrame:
    overlaps = rows[rows["both"] > 0]
    return overlaps.assign(
        kind="refund_and_dispute_overlap",
        subject=overlaps["charge_id"],
        organization_id=overlaps["topup_organization_id"],
        units=-overlaps["both"].map(round_half_up),
        cause=None,
        explanation=[
            f"a refund took {row['taken']:,.10g} units and a dispute {row['disputed_units']:,.10g} of a pack that gave "
            f"{row['entitled']:,.10g}"
            for row in records(overlaps)
        ],
    )


def _is_of_no_account(
    taken: pd.DataFrame, accounts: pd.DataFrame, payments: Payments, refunds: pd.DataFrame
) -> "pd.Series[bool]":
    """Whether an entry of an older version is of no refund: its session has no account, and no refund of that time is
    of a charge that names nothing.
    """
    old = taken["session"].notna() & ~taken["topup_id"].isin(accounts["topup_id"].dropna())
    old &= ~taken["session"].isin(accounts["stripe_session_id"].dropna())
    if payments.refunds_since is None or payments.unreadable_refunds:
        return pd.Series(data=False, index=taken.index)
    of_nobody = refunds.loc[~refunds["charge_id"].isin(accounts["charge_id"]), "created"].sort_values()
    until = np.asarray(of_nobody.searchsorted(taken["at"] + _CLOCKS_DIFFER, side="right"), dtype=np.int64)
    since = np.asarray(of_nobody.searchsorted(taken["at"] - _LATE_ENTRY), dtype=np.int64)
    return old & (until == since) & (taken["at"] >= payments.refunds_since + _LATE_ENTRY)


def _is_unknown(taken: pd.DataFrame, payments: Payments, refunds: pd.DataFrame) -> "pd.Series[bool]":
    """Whether Stripe knows no such refund, where its list would show it and every refund in it could be read."""
    if payments.refunds_since is None or any(
        not name.startswith(("re_", "pyr_")) for name in payments.unreadable_refunds
    ):
        return pd.Series(data=False, index=taken.index)
    known = taken["refund_id"].isin(refunds["refund_id"]) | taken["refund_id"].isin(payments.unreadable_refunds)
    return taken["refund_id"].notna() & ~known & (taken["at"] >= payments.refunds_since + _LATE_ENTRY)


def _taken(rows: pd.DataFrame, payments: Payments, refunds: pd.DataFrame, ledgers: PaidLedgers) -> pd.DataFrame:
    """Units taken for the refunds of each account, by entries of the ``new`` form and of the ``old`` one.

    An entry belongs to the account of its top-up, else to that of its refund's charge. Those of refunds that failed, or
    that Stripe does not know, are findings of their own.
    """
    entries = ledgers.refunds_taken
    status = entries["refund_id"].map(refunds.drop_duplicates("refund_id").set_index("refund_id")["status"])
    entries = entries[~status.isin(CAME_BACK) & ~_is_unknown(entries, payments, refunds)]
    by_topup = pd.Series(rows.index, pd.MultiIndex.from_frame(rows[["topup_organization_id", "topup_id"]]))
    account = pd.Series(
        by_topup.reindex(pd.MultiIndex.from_frame(entries[["organization_id", "topup_id"]])).to_numpy(), entries.index
    )
    charge = entries["refund_id"].map(refunds.drop_duplicates("refund_id").set_index("refund_id")["charge_id"])
    by_charge = pd.Series(rows.index, rows["charge_id"])
    account = account.fillna(charge.map(by_charge[~by_charge.index.duplicated()]))
    is_old = entries["refund_id"].isna()
    return pd.DataFrame(
        {
            name: entries.loc[chosen, "units"].groupby(account[chosen]).sum().reindex(rows.index).fillna(0.0)
            for name, chosen in (("new", ~is_old), ("old", is_old))
        }
    )


def _corrected(rows: pd.DataFrame, refunds: pd.DataFrame, ledgers: PaidLedgers) -> "pd.Series[float]":
    """Signed units that people gave and took in the name of the refunds of each account."""
    of_charge = rows[["charge_id", "topup_organization_id"]].merge(
        refunds.loc[~refunds["status"].isin(CAME_BACK), ["charge_id", "refund_id"]], on="charge_id"
    )
    units = ledgers.corrected(of_charge["topup_organization_id"], of_charge["refund_id"])
    return rows["charge_id"].map(units.groupby(of_charge["charge_id"]).sum()).fillna(0.0).astype("float64")
