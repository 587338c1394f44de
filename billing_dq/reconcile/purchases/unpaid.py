"""Units that nobody paid: of a session that another ledger has too, of a payment that failed, of one that is not there.

See docs/domain.md, "Purchases and refunds", and docs/stripe.md, "Money without its entry". A branch of the application
that gives units for a completed session without asking whether it was paid gives them for bank debits that fail days
later.
"""

from collections.abc import Mapping
from datetime import datetime

import pandas as pd

from billing_dq.reconcile.findings.finding import records
from billing_dq.reconcile.pending import Pending
from billing_dq.reconcile.purchases.ledgers import PaidLedgers, findings_frame, no_findings

_TEST_SESSION = "cs_test_"
#: A charge is made before its top-up, a bank debit days before it: the list must reach back so much further.
_BEFORE_ITS_TOPUP = pd.Timedelta(days=3)
#: A bank debit is paid or has failed within so many days.
_BANK_DEBIT = pd.Timedelta(days=14)
#: So many top-ups may have no charge, however few have one.
_FEW = 5


def sessions_in_two_ledgers(accounts: pd.DataFrame, ledgers: PaidLedgers) -> pd.DataFrame:
    """Checkout sessions whose top-up stands in more than one ledger: one payment, units twice.

    Returns:
        Findings of kind `session_in_two_ledgers`, the subject is the session; the organization is the one that did not
        pay, by the charge where one is known, else the one that was given the units later.
    """
    topups = ledgers.purchases.sort_values(["at", "entry_id"]).drop_duplicates(["organization_id", "stripe_session_id"])
    topups = topups[topups.duplicated("stripe_session_id", keep=False)]
    payer = accounts.dropna(subset="stripe_session_id").groupby("stripe_session_id")["organization_id"].first()
    topups = topups.assign(paid_by=topups["stripe_session_id"].map(payer))
    topups = topups.assign(is_right=topups["organization_id"] == topups["paid_by"])
    topups = topups.sort_values(["is_right", "at", "entry_id"], ascending=[False, True, True])
    first = topups.drop_duplicates("stripe_session_id").set_index("stripe_session_id")["organization_id"]
    again = topups[topups.duplicated("stripe_session_id")]
    again = again.assign(rightful=again["stripe_session_id"].map(first))
    units = again["amount"] + ledgers.corrected(
        again["organization_id"], again["stripe_session_id"], again["entry_id"], _charge_of(again, accounts)
    )
    rows = again.assign(units=units).loc[units >= 1]
    return findings_frame(
        rows.assign(
            kind="session_in_two_ledgers",
            subject=rows["stripe_session_id"],
            cause=None,
            explanation=[
                f"the session {row['stripe_session_id']} was paid once, and its top-up stands in the ledgers of "
                f"{row['rightful']} and of {row['organization_id']}"
                for row in records(rows)
            ],
        )
    )


def topups_without_payment(
    accounts: pd.DataFrame, ledgers: PaidLedgers, pending: Pending, livemode: bool
) -> pd.DataFrame:
    """Units that nobody paid: of a session whose payment failed, or of one of test mode in a live database.

    A session of which another charge was paid, or is under way, is paid, whatever failed before.

    Args:
        accounts: as `purchase_accounts` makes them.
        ledgers: what the ledgers say.
        pending: the pending minutes.
        livemode: whether the database is live: the mode of the key.

    Returns:
        Findings of kind `topup_without_payment`, cause `failed`, `never_captured`, `unpaid` or `test_mode`; the subject
        is the charge, or the session that has none. Units that were taken back are none.
    """
    alive = accounts.loc[(accounts["paid_minor"] > 0) | accounts["status"].isin(["pending"]), "stripe_session_id"]
    named = accounts["stripe_session_id"].notna() & ~accounts["stripe_session_id"].isin(alive.dropna())
    released = (accounts["refunded_minor"] >= accounts["amount_minor"]) & (accounts["amount_minor"] > 0)
    failed = (accounts["status"] == "failed") | _never_paid(accounts, pending)
    never = (accounts["paid_minor"] == 0) & (failed | released) & (accounts["created"] <= pending.earliest)
    rows = accounts[named & never & accounts["topup_id"].notna()].sort_values("created")
    rows = rows.drop_duplicates("stripe_session_id", keep="last")
    cause = rows["status"].map({"failed": "failed", "unpaid": "unpaid", "expired": "unpaid"}).fillna("never_captured")
    charged = rows.assign(
        subject=rows["charge_id"],
        organization_id=rows["topup_organization_id"],
        units=rows["given_units"] - ledgers.refunded(rows["topup_organization_id"], rows["topup_id"]),
        cause=cause,
    )
    tests = ledgers.purchases[ledgers.purchases["stripe_session_id"].str.startswith(_TEST_SESSION) & livemode]
    corrected = ledgers.corrected(tests["organization_id"], tests["stripe_session_id"], tests["entry_id"])
    taken = ledgers.refunded(tests["organization_id"], tests["entry_id"])
    tests = tests.assign(
        subject=tests["stripe_session_id"], units=tests["amount"] + corrected - taken, cause="test_mode"
    )
    columns = ["subject", "organization_id", "units", "cause", "stripe_session_id"]
    both = pd.concat([charged[columns], tests[columns]])
    rows = both[both["units"] >= 1].assign(kind="topup_without_payment")
    return findings_frame(rows.assign(explanation=[_unpaid(row) for row in records(rows)]))


def topups_of_unknown_payment(
    accounts: pd.DataFrame, charges_since: datetime | None, ledgers: PaidLedgers, pending: Pending
) -> pd.DataFrame:
    """Top-ups of which no charge in the list tells: nobody paid, nothing had to be paid, or the charge names nothing.

    Only what the list reaches back to is judged. Where most top-ups of that time have no charge, the charges of this
    company do not name their packs, and none of them tells anything.

    Args:
        accounts: as `purchase_accounts` makes them, of charges paid or not.
        charges_since: the instant from which on no charge is missing; None: not known.
        ledgers: what the ledgers say.
        pending: the pending minutes.

    Returns:
        Findings of kind `topup_payment_unknown`, the subject is the session; the units were given.
    """
    topups = ledgers.purchases
    if charges_since is None:
        return no_findings()
    listed = (topups["at"] >= charges_since + _BEFORE_ITS_TOPUP) & (topups["at"] <= pending.earliest)
    topups = topups[listed & ~topups["stripe_session_id"].str.startswith(_TEST_SESSION)]
    under_way = (accounts["status"] == "unpaid") & ~_never_paid(accounts, pending)
    told = topups["stripe_session_id"].isin(accounts.loc[~under_way, "stripe_session_id"].dropna())
    told |= topups["entry_id"].isin(accounts.loc[~under_way, "topup_id"].dropna())
    rows = topups[~told & ~ledgers.unread(topups["organization_id"])].drop_duplicates("stripe_session_id")
    if len(rows) > max(_FEW, told.sum()):
        return no_findings()
    corrected = ledgers.corrected(rows["organization_id"], rows["stripe_session_id"], rows["entry_id"])
    units: pd.Series[float] = rows["amount"] + corrected - ledgers.refunded(rows["organization_id"], rows["entry_id"])
    rows = rows.assign(units=units).loc[units >= 1]
    return findings_frame(
        rows.assign(
            kind="topup_payment_unknown",
            subject=rows["stripe_session_id"],
            cause=None,
            explanation=[
                f"{row['amount']:,.10g} units were given for the session {row['stripe_session_id']}, which no charge "
                "of that time names: its payment_status at Stripe decides whether it was paid, or had to be"
                for row in records(rows)
            ],
        )
    )


def _never_paid(accounts: pd.DataFrame, pending: Pending) -> "pd.Series[bool]":
    """Whether a checkout session without charge expired, or stayed unpaid longer than a bank debit takes."""
    is_late = accounts["created"] <= pending.as_of - _BANK_DEBIT
    return (accounts["status"] == "expired") | ((accounts["status"] == "unpaid") & is_late)


def _charge_of(topups: pd.DataFrame, accounts: pd.DataFrame) -> "pd.Series[str]":
    charges = accounts.dropna(subset="stripe_session_id").drop_duplicates("stripe_session_id")
    return topups["stripe_session_id"].map(charges.set_index("stripe_session_id")["charge_id"])


def _unpaid(topup: Mapping[str, object]) -> str:
    units, session = f"{float(str(topup['units'])):,.10g} units", topup["stripe_session_id"]
    if topup["cause"] == "test_mode":
        return f"{units} were given for the session {session} of test mode, in which nobody pays"
    if topup["cause"] == "unpaid":
        return f"{units} were given for the session {session}, which was never paid"
    what = "failed" if topup["cause"] == "failed" else "was authorized and never captured"
    return f"{units} were given for the session {session}, whose payment {topup['subject']} {what}"
