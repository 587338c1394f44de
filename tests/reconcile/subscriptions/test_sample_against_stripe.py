"""The sample world's two sides agree (sample/README.md)."""

from datetime import datetime

from billing_dq.reconcile.disputes.positions import dispute_positions
from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.reconcile.subscriptions.comparison import subscription_drift
from billing_dq.reconcile.subscriptions.markers import invoice_marker_lag, stale_past_due
from billing_dq.tables import QUARANTINED_STRIPE_OBJECTS, UNREADABLE_KEYS
from billing_dq.weeks import NightWeeks
from tests.support import sample_rows as sample
from tests.support.dispute_rows import Pack
from tests.support.policy import policy

AS_OF = datetime.fromisoformat(sample.config()["as_of"])
WEEKS = NightWeeks(AS_OF, 3, 6)
NOTHING = UNREADABLE_KEYS.empty()


def test_the_samples_subscriptions_agree_with_stripe():
    stripe = sample.stripe_subscriptions()
    ours = ApplicationTables(WEEKS, {"subscriptions": sample.subscriptions(), "unreadable_keys": NOTHING})
    theirs = {"stripe_subscriptions": stripe, "quarantined_stripe_objects": QUARANTINED_STRIPE_OBJECTS.empty()}
    drift = subscription_drift(ours, StripeTables(theirs, True), 60.0)
    assert len(stripe) == 59
    assert drift.empty


def test_the_sample_has_no_late_marker():
    invoices = sample.stripe_invoices()
    assert len(invoices) > 40
    assert invoice_marker_lag(sample.subscriptions(), invoices, AS_OF, 60.0, NOTHING).empty
    assert stale_past_due(sample.subscriptions(), AS_OF, 15.0, NOTHING).empty


def test_each_of_the_samples_disputes_has_the_right_decision_and_nothing_is_due():
    balances, entries, purchases = sample.ledgers()
    config = sample.config()
    ours = {
        "dispute_entries": entries,
        "pack_purchases": purchases,
        "organizations": sample.organizations(),
        "subscriptions": sample.subscriptions(),
        "extras_balances": balances,
        "unreadable_keys": NOTHING,
    }
    packs = {pack["pack_id"]: Pack(pack["price_usd"] * 100, pack["units"]) for pack in config["packs"]}
    result = dispute_positions(
        ApplicationTables(WEEKS, ours),
        StripeTables({"stripe_disputes": sample.disputes()}, True),
        policy(packs=packs, dollars_to_units=config["dollars_to_units"]),
    )
    columns = ["dispute_id", "decision", "reason", "withdrawn_minor", "reinstated_minor", "credited_units"]
    assert result.positions[columns].to_numpy().tolist() == [
        ["du_1TILWEKGU1Y4hKjv9j5G2C5M", "nothing_due", "credited", 500, 500, 6000.0],
        ["du_1ToYFU5Bj34rzXoeDH2TJDit", "nothing_due", "lost", 500, 0, 0.0],
        ["du_1TtwgrBi9ZISdOewj025Rmv6", "nothing_due", "lost", 200, 0, 0.0],
        ["du_1TKhfOUWytSOM4a79wW1BhLR", "nothing_due", "inquiry", 0, 0, 0.0],
        ["du_1TW4JJKqSG7Ye5BFvAqykoyp", "nothing_due", "not_a_pack", 9900, 9900, 0.0],
        ["du_1TQkjoe1621yWfMvmgTSZUiH", "nothing_due", "open", 200, 0, 0.0],
        ["du_1TPzEHTS26pvSJMtQHdQvUX4", "nothing_due", "credited_by_hand", 200, 200, 2000.0],
    ]
    assert result.positions["due_units"].sum() == 0
    assert result.findings.empty
