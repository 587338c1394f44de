"""All that is wrong with the purchases of a night, as far as the night could read them."""

import pandas as pd

from billing_dq.reconcile.inputs import ApplicationTables, Policy, StripeTables
from billing_dq.reconcile.pending import Pending
from billing_dq.reconcile.purchases.accounts import Payments, purchase_accounts
from billing_dq.reconcile.purchases.deliveries import (
    has_wrong_units,
    packs_without_topup,
    topups_in_another_ledger,
    topups_of_wrong_units,
)
from billing_dq.reconcile.purchases.ledgers import PaidLedgers, findings_frame, no_findings
from billing_dq.reconcile.purchases.refunds import failed_refunds, unknown_refunds, wrong_clawbacks
from billing_dq.reconcile.purchases.unpaid import (
    sessions_in_two_ledgers,
    topups_of_unknown_payment,
    topups_without_payment,
)


def purchase_findings(
    ours: ApplicationTables, theirs: StripeTables, policy: Policy, positions: pd.DataFrame | None
) -> pd.DataFrame:
    """Findings about purchases and refunds, in the form of `findings_frame`.

    Args:
        ours: purchases, refund entries and suspects of whole ledgers, balances, unreadable keys.
        theirs: charges, refunds and disputes; of what could not be read nothing is found.
        policy: packs, pending minutes and the general ratio.
        positions: DISPUTE_POSITIONS; None where disputes were not judged.
    """
    ledgers = PaidLedgers(
        ours.pack_purchases, ours.refund_entries, ours.ledger_suspects, ours.balances, ours.unreadable
    )
    pending = Pending(ours.weeks.as_of, policy.pending_minutes)
    found = [no_findings()]
    if theirs.refunds is not None:
        found.append(failed_refunds(theirs.refunds, ledgers))
    if theirs.charges is not None:
        payments = Payments(
            theirs.charges,
            theirs.refunds,
            theirs.disputes,
            positions,
            theirs.livemode,
            theirs.since.get("stripe_charges"),
            theirs.since.get("stripe_refunds"),
            _unreadable_refunds(theirs.quarantined),
        )
        accounts = purchase_accounts(payments, ledgers, policy.packs, pending)
        wrong = has_wrong_units(accounts, ledgers, policy.dollars_to_units)
        found += [
            packs_without_topup(accounts, ledgers, pending),
            topups_in_another_ledger(accounts, ledgers, pending),
            sessions_in_two_ledgers(accounts, ledgers),
            topups_without_payment(accounts, ledgers, pending, theirs.livemode),
            topups_of_unknown_payment(accounts, payments.charges_since, ledgers, pending),
            topups_of_wrong_units(accounts, ledgers, pending, policy.dollars_to_units),
            unknown_refunds(payments, ledgers),
            # A wrong top-up is a finding of its own: what its refund should take is measured by the pack.
            wrong_clawbacks(accounts, accounts["given_units"].mask(wrong, accounts["pack_units"]), payments, ledgers),
        ]
    return findings_frame(pd.concat(found))


def _unreadable_refunds(quarantined: pd.DataFrame) -> frozenset[str]:
    return frozenset(quarantined.loc[quarantined["collection"] == "stripe.refunds", "document_id"])
