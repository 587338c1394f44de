"""All that is wrong with the purchases of a night, as far as the night could read them."""

from dataclasses import dataclass, replace

import pandas as pd

from billing_dq.reconcile.disputes.positions import PositionResult
from billing_dq.reconcile.inputs import ApplicationTables, Policy, StripeTables
from billing_dq.reconcile.pending import Pending
from billing_dq.reconcile.purchases.accounts import Payments, purchase_accounts
from billing_dq.reconcile.purchases.deliveries import (
    has_wrong_units,
    is_elsewhere,
    packs_without_topup,
    topups_in_another_ledger,
    topups_of_wrong_units,
)
from billing_dq.reconcile.purchases.ledgers import PaidLedgers, findings_frame, no_findings
from billing_dq.reconcile.purchases.refunds import (
    clawbacks_of_what_is_left,
    failed_refunds,
    refunded_accounts,
    unknown_refunds,
    wrong_clawbacks,
)
from billing_dq.reconcile.purchases.unpaid import (
    sessions_in_two_ledgers,
    topups_of_unknown_payment,
    topups_without_payment,
)


@dataclass(frozen=True)
class PurchaseResult:
    """``findings`` in the form of `findings_frame`; ``disputes`` knows what refunds left of a pack for them to take."""

    findings: pd.DataFrame
    disputes: PositionResult | None


def purchase_findings(
    ours: ApplicationTables, theirs: StripeTables, policy: Policy, disputes: PositionResult | None
) -> PurchaseResult:
    """Findings about purchases and refunds (docs/domain.md, "Purchases and refunds").

    Args:
        ours: purchases, refund entries and suspects of whole ledgers, balances, unreadable keys.
        theirs: charges, refunds and disputes; of what could not be read nothing is found.
        policy: packs, pending minutes and the general ratio.
        disputes: None where disputes were not judged.
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
            None if disputes is None else disputes.positions,
            theirs.livemode,
            theirs.since.get("stripe_charges"),
            theirs.since.get("stripe_refunds"),
            _unreadable_refunds(theirs.quarantined),
        )
        accounts = purchase_accounts(payments, ledgers, policy.packs, pending)
        # A wrong top-up is a finding of its own: what its refund should take is measured by the pack.
        wrong = has_wrong_units(accounts, ledgers, policy.dollars_to_units)
        entitled = accounts["given_units"].mask(wrong, accounts["pack_units"])
        refunded = refunded_accounts(accounts, entitled, payments, ledgers)
        found += [
            packs_without_topup(accounts, ledgers, pending),
            topups_in_another_ledger(accounts, ledgers, pending),
            sessions_in_two_ledgers(accounts, ledgers),
            topups_without_payment(accounts, ledgers, pending, theirs.livemode),
            topups_of_unknown_payment(accounts, payments.charges_since, ledgers, pending),
            topups_of_wrong_units(accounts, ledgers, pending, policy.dollars_to_units),
            unknown_refunds(accounts, payments, ledgers),
            wrong_clawbacks(refunded, ledgers),
        ]
        if disputes is not None:
            elsewhere = accounts.loc[is_elsewhere(accounts, ledgers), "charge_id"]
            left = clawbacks_of_what_is_left(disputes.findings, disputes.positions, refunded, elsewhere)
            disputes = replace(disputes, findings=left)
    return PurchaseResult(findings_frame(pd.concat(found)), disputes)


def _unreadable_refunds(quarantined: pd.DataFrame) -> frozenset[str]:
    return frozenset(quarantined.loc[quarantined["collection"] == "stripe.refunds", "document_id"])
