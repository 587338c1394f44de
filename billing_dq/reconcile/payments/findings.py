"""All that is wrong with payments in a night, as far as the night could read them."""

import pandas as pd

from billing_dq.reconcile.inputs import ApplicationTables, Policy, StripeTables
from billing_dq.reconcile.payments.ledgers import PaidLedgers, findings_frame, no_findings
from billing_dq.reconcile.payments.packs import packs_without_topup
from billing_dq.reconcile.payments.refunds import failed_refunds
from billing_dq.reconcile.pending import Pending


def payment_findings(ours: ApplicationTables, theirs: StripeTables, policy: Policy) -> pd.DataFrame:
    """Findings of kinds `pack_without_topup` and `refund_failed`, in the form of `findings_frame`.

    Args:
        ours: purchases, refund entries and suspects of whole ledgers, balances, unreadable keys.
        theirs: charges, refunds and disputes; of what could not be read nothing is found.
        policy: packs and pending minutes.
    """
    ledgers = PaidLedgers(ours.pack_purchases, ours.refund_entries, ours.balances, ours.unreadable)
    pending = Pending(ours.weeks.as_of, policy.pending_minutes)
    found = [no_findings()]
    if theirs.charges is not None:
        found.append(
            packs_without_topup(theirs.charges, theirs.disputes, ledgers, policy.packs, pending, theirs.livemode)
        )
    if theirs.refunds is not None:
        found.append(failed_refunds(theirs.refunds, ledgers, ours.ledger_suspects))
    return findings_frame(pd.concat(found))
