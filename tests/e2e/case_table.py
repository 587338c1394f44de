"""What a night must say of each folder of `tests/data/cases`; the reasons are in the folders' README.md.

Units are signed: positive is owed to us, negative to the customer. A kind of None is one that is not named yet.
"""

from tests.support.case_runner import Case, Finding, Night

CASES: dict[str, Case] = {
    "01-newest-organization-without-usage": Case([Night()]),
    "02-findings-of-a-clean-night": Case([Night(prints=["No finding of the night of 2026-11-21 is open."])]),
    "04-conversion-gain-taken-for-a-reinstatement": Case(
        [
            Night(
                positions={"du_fxgain": {"decision": "nothing_due", "due_units": 0.0}},
                never_prints=["du_fxgain: credited"],
            ),
            Night(exits=1, positions={"du_fxgain": {"decision": "due", "due_units": 6000.0, "credited_units": 0.0}}),
        ]
    ),
    "05-conversion-loss-taken-for-a-second-withdrawal": Case(
        [Night(positions={"du_fxloss": {"decision": "nothing_due", "reason": "lost", "due_units": 0.0}})]
    ),
    "06-partial-dispute-clawed-back-in-full": Case(
        [
            Night(
                [Finding("dispute_clawback_wrong_units", "du_partfull", -18750.0, "error")],
                positions={"du_partfull": {"decision": "nothing_due", "due_units": 0.0}},
            )
        ]
    ),
    "07-surplus-taken-back-as-the-runbook-says": Case([Night(), Night()]),
    "08-copy-of-a-debit-credited-as-the-runbook-says": Case([Night(besides="info"), Night(besides="info")]),
    "09-yen-pack-without-clawback": Case(
        [
            Night(
                [Finding("dispute_clawback_missing", "du_jpy", 2000.0, "error")],
                positions={"du_jpy": {"decision": "nothing_due", "clawed_back_units": 0.0, "due_units": 0.0}},
            )
        ]
    ),
    "10-gross-amount-with-tax": Case([Night([Finding("dispute_clawback_missing", "du_tax", 6000.0, "error")])]),
    "11-eleven-disputes-credited-by-hand": Case([Night()]),
    "12-credited-while-the-appeal-is-open": Case(
        [Night(besides="warning", never_prints=["dispute_credit_due"], positions={"du_appeal": {"due_units": 0.0}})]
    ),
    "13-won-late-money-after-the-look-back": Case(
        [
            Night(positions={"du_late": {"decision": "nothing_due", "due_units": 0.0}}),
            Night(
                [Finding("dispute_credit_due", "du_late", -6000.0, "error")],
                positions={"du_late": {"decision": "due", "due_units": 6000.0}},
            ),
        ]
    ),
    "14-two-week-documents": Case(
        [Night([Finding("quarantined_documents", "6a0000000000000000000113", severity="warning")])]
    ),
    "15-debits-drained-after-five-weeks": Case([Night(besides="warning", never_prints=["no usage document holds"])]),
    "16-canceled-two-minutes-ago": Case([Night()]),
    "17-invoice-paid-out-of-band": Case(
        [Night([Finding("invoice_marker_lag", "sub_6a000000000000000000015e", says="out of band")])]
    ),
    "18-charged-and-no-units": Case([Night([Finding("pack_without_topup", severity="error")])]),
    "19-refund-that-failed-later": Case([Night([Finding("refund_failed", severity="error")])]),
    "20-expired-and-clawed-back": Case(
        [
            Night(
                [Finding("dispute_clawback_of_expired_pack", "du_expclaw", severity="info")],
                positions={"du_expclaw": {"decision": "nothing_due", "reason": "lost"}},
            )
        ]
    ),
    "21-refunded-at-stripe-and-units-kept": Case(
        [Night([Finding(None, units=25000.0, severity="error", organization="6b0000000000000000001001")])]
    ),
    "22-units-for-a-payment-that-failed": Case([Night([Finding(None, units=25000.0, severity="error")])]),
    "23-topup-of-cents-instead-of-units": Case([Night([Finding(None, units=-23000.0, severity="error")])]),
    "24-pack-given-to-another-organization": Case(
        [
            Night(
                [
                    Finding(None, units=-25000.0, severity="error", organization="6b0000000000000000004001"),
                    Finding(None, units=25000.0, severity="error", organization="6b0000000000000000004003"),
                ]
            )
        ],
    ),
    "25-part-refunded-whole-pack-taken": Case([Night([Finding(None, units=-18750.0, severity="error")])]),
    "26-two-organizations-on-one-subscription": Case(
        [Night([Finding("subscription_shared", "sub_00006001", severity="error", says="6b0000000000000000006003")])]
    ),
    "27-another-product-in-the-same-account": Case(
        [Night([Finding("subscriptions_not_ours", says="12", severity="info")])]
    ),
    "28-collection-paused-for-months": Case(
        [Night([Finding("subscription_not_collecting", severity="warning", says="paused")])]
    ),
    "29-all-ids-became-text": Case([Night(besides="warning", exits=2)]),
    "30-captured-in-part-then-disputed": Case([Night()]),
    "31-the-wrong-database-is-empty": Case([Night(exits=2)]),
    "32-ledger-archived-as-the-runbook-says": Case([Night()]),
    "33-ledger-moved-with-a-merge-usage-not": Case(
        [Night([Finding("meter_extras_divergence", units=0.0, severity="warning", says="6b0000000000000000013003")])]
    ),
    "34-missed-nights-taken-afterwards": Case([Night(exits=2, refused=True), Night()]),
    "35-a-server-that-writes-local-time": Case(
        [Night([Finding("ledger_violation", "clock", severity="error", says="24")])]
    ),
    "36-units-taken-for-a-refund-that-is-not-there": Case([Night([Finding(None, units=-25000.0, severity="error")])]),
    "37-prevented-by-rapid-dispute-resolution": Case(
        [Night([Finding("dispute_clawback_missing", "du_28", 25000.0, "error")])]
    ),
    "38-lists-of-keys-that-are-capped-or-not-kept": Case([Night(besides="info")]),
    "39-pack-expired-the-night-it-was-bought": Case([Night([Finding(None, units=-25000.0, severity="error")])]),
}
