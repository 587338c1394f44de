"""Refunds that failed after the ledger had taken the units back (docs/stripe.md, "Money without its entry").

Stripe says that a refund succeeded, and days later that it failed: the customer's bank sent the money back. The
application hears of the first only.
"""

import pandas as pd

from billing_dq.reconcile.payments.ledgers import PaidLedgers, findings_frame

#: Statuses in which the money of a refund is with us.
_CAME_BACK = ("failed", "canceled")
_OF_REFUND = ["organization_id", "refund_id"]


def failed_refunds(refunds: pd.DataFrame, ledgers: PaidLedgers, suspects: pd.DataFrame) -> pd.DataFrame:
    """Ledger entries of refunds whose money never reached the customer, and whose units were not given back.

    A refund made anew in its place has an entry of its own, and the failed one's units stay owed. They are given back
    by an adjustment that names the refund, `correction-<refund>`. A credit of the application's tool names nothing.

    Args:
        refunds: STRIPE_REFUNDS.
        ledgers: what the ledgers say.
        suspects: LEDGER_SUSPECTS, with every adjustment that a person wrote.

    Returns:
        Findings of kind `refund_failed` as `findings_frame` has them, the subject is the refund, the cause its status.
    """
    entries = ledgers.refund_entries
    named = entries["ref_id"].str.extract(r"^refund-(.+)-[^-]+$", expand=False)
    taken = entries.assign(refund_id=named)[entries["amount"] < 0].dropna(subset="refund_id")
    failed = refunds.loc[refunds["status"].isin(_CAME_BACK), ["refund_id", "status", "charge_id"]]
    rows = taken.merge(failed, on="refund_id").merge(_given_back(suspects), on=_OF_REFUND, how="left")
    rows["amount"] += rows["given"].fillna(0.0)
    rows = rows[rows["amount"] < 0].reset_index(drop=True)
    return findings_frame(
        rows.assign(
            kind="refund_failed",
            subject=rows["refund_id"],
            units=rows["amount"],
            cause=rows["status"],
            explanation=[
                _sentence(charge, status, -amount)
                for charge, status, amount in zip(rows["charge_id"], rows["status"], rows["amount"], strict=True)
            ],
        )
    )


def _given_back(suspects: pd.DataFrame) -> pd.DataFrame:
    """``organization_id``, ``refund_id``, ``given``: units that a person gave back for a refund, by its name."""
    adjusted = suspects[(suspects["kind"] == "adjustment") & (suspects["amount"] > 0)]
    named = adjusted["ref_id"].str.extract(r"^correction-(.+)$", expand=False)
    given = adjusted.assign(refund_id=named).dropna(subset="refund_id")
    return given.assign(given=given["amount"]).groupby(_OF_REFUND, as_index=False)[["given"]].sum()


def _sentence(charge: object, status: object, units: float) -> str:
    refunded = charge if isinstance(charge, str) else "an unknown charge"
    return (
        f"the refund of {refunded} is {status} at Stripe, so its money is back with us, and the {units:,.10g} units "
        "that the ledger took for it are not with the customer"
    )
