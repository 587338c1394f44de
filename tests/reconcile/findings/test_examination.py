import pandas as pd
import pytest

from billing_dq.reconcile.findings.examination import Coverage
from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.reconcile.findings.night_findings import plain_findings
from billing_dq.reconcile.findings.quarantine import DOCUMENT_COLUMNS, documents_of
from billing_dq.reconcile.findings.severity import OF_KIND
from billing_dq.tables import RUNAWAY_BALANCES
from billing_dq.vocabulary.kinds import kinds_of_result
from tests.support.finding_rows import (
    deltas,
    disputes,
    drift,
    events,
    positions,
    quarantined,
    subscription,
    violations,
    week,
)
from tests.support.ledger_rows import AS_OF, NIGHT, ORG, OTHER, balance, balances, unreadable
from tests.support.payment_rows import charge, charges, refunds
from tests.support.subscription_rows import at_stripe, there


def inputs(**more: object) -> FindingInputs:
    """A night on which every source was read and nothing was wrong."""
    tables: dict[str, object] = {
        "deltas": deltas(),
        "drift": pd.DataFrame(),
        "runaway": RUNAWAY_BALANCES.empty(),
        "orphans": balances()[["organization_id", "cached_balance"]],
        "violations": violations(),
        "balances": balances(balance()),
        "subscription_drift": drift(),
        "subscriptions": subscription(),
        "stale_past_due": drift(),
        "payers": drift(),
        "disputes": disputes(),
        "dispute_positions": positions("du_1"),
        "charges": charges(charge("ch_1")),
        "refunds": refunds(re_1="failed"),
        "pending_minutes": 15.0,
        "dead_lettered": events(),
        "quarantined": quarantined(),
        "quarantined_stripe": quarantined(),
        "unreadable": unreadable(),
        **more,
    }
    return FindingInputs(**tables)  # pyright: ignore[reportArgumentType]


def examined(kind: str, subject: str = ORG, organization: str | None = ORG, **more: object) -> bool:
    return Coverage(inputs(**more), NIGHT).covers(kind, organization, subject, "an id")


def document_examined(bad: pd.DataFrame, dark: pd.DataFrame | None = None, **more: object) -> bool:
    """Whether tonight looked again at the one document that an earlier night could not read."""
    before = FindingInputs(quarantined=bad, unreadable=dark)
    finding_id = str(plain_findings(before, NIGHT, 1000.0, "R.md")["finding_id"].item())
    known = documents_of(bad, unreadable() if dark is None else dark)
    night = Coverage(inputs(quarantined_before=known, **more), NIGHT)
    return night.covers("quarantined_documents", None, str(bad["document_id"].iloc[0]), finding_id)


def subject_of(kind: str) -> str:
    subjects = {"pack_without_topup": "ch_1", "refund_failed": "re_1"}
    if kind in subjects:
        return subjects[kind]
    if kind.startswith("dispute_"):
        return "du_1"
    return "2026-W45" if kind == "meter_extras_divergence" else ORG


OF_TABLES = [kind for kind in OF_KIND if kind != "quarantined_documents"]


@pytest.mark.parametrize("kind", OF_TABLES)
def test_a_night_that_read_everything_examined_everything(kind: str):
    assert examined(kind, subject_of(kind))


@pytest.mark.parametrize("kind", OF_KIND)
def test_a_night_that_read_nothing_examined_nothing(kind: str):
    assert not Coverage(FindingInputs(), NIGHT).covers(kind, ORG, subject_of(kind), "an id")


def test_without_stripe_what_needs_no_stripe_is_examined_all_the_same():
    without: dict[str, object] = dict.fromkeys(
        ["subscription_drift", "disputes", "dispute_positions", "quarantined_stripe"]
    )
    for kind in ("subscription_status", "invoice_marker_lag", "livemode_mix"):
        assert not examined(kind, "sub_1", **without)
    assert not examined("livemode_mix", "du_1", **without)
    assert not examined("dispute_parked", "du_1", **without)
    assert examined("stale_past_due", "sub_1", **without)
    assert examined("ledger_violation", "e1", **without)
    assert document_examined(quarantined(("billingusages", "d1", "x")), **without)
    assert not document_examined(quarantined(("stripe.disputes", "d1", "x")), **without)


@pytest.mark.parametrize("key", ["2026-W43", "2026-W53", "2026-W48"])
def test_a_week_outside_the_window_is_not_examined(key: str):
    assert not examined("meter_extras_divergence", key)
    assert not examined("ledger_violation", key)


@pytest.mark.parametrize("kind", ["meter_extras_divergence", "ledger_violation"])
def test_an_unreadable_week_is_not_examined(kind: str):
    bad = unreadable("billingusages", week="2026-W45")
    assert not examined(kind, "2026-W45", unreadable=bad)
    assert examined(kind, "2026-W46", unreadable=bad)
    assert examined(kind, "2026-W45", organization=OTHER, unreadable=bad)
    assert not examined(kind, "2026-W45", deltas=deltas(week("unreadable")))


def test_a_bad_document_of_an_untold_week_darkens_the_weeks_that_were_not_compared():
    bad = unreadable("billingusages")
    assert not examined("meter_extras_divergence", "2026-W45", unreadable=bad)
    assert examined("meter_extras_divergence", "2026-W45", unreadable=bad, deltas=deltas(week("exact")))


def test_a_bad_document_of_an_untold_organization_darkens_all_that_were_not_compared():
    bad = unreadable("billingusages", None, "2026-W45")
    assert not examined("meter_extras_divergence", "2026-W45", unreadable=bad)
    assert examined("meter_extras_divergence", "2026-W46", unreadable=bad)
    assert examined("meter_extras_divergence", "2026-W45", unreadable=bad, deltas=deltas(week("exact")))


SUBSCRIPTION_KINDS = {
    "subscription_status",
    "subscription_plan",
    "subscription_unresolved_plan",
    "subscription_ambiguous_plan",
    "subscription_missing_in_stripe",
    "subscription_unknown_here",
    "subscription_several_live",
    "subscription_other_customer",
    "subscription_not_collecting",
    "subscriptions_not_ours",
    "livemode_mix",
    "invoice_marker_lag",
}
PAYER_KINDS = set(kinds_of_result("payers"))
#: Of several organizations: the document of any may be the one that could not be read.
SHARED_KINDS = {"subscription_shared", "customer_shared"}
DISPUTE_KINDS = {kind for kind in OF_KIND if kind.startswith("dispute_")}


@pytest.mark.parametrize(
    ("collection", "kinds"),
    [
        (
            "billingextrabalances",
            {
                "runaway_balance",
                "orphan_balance",
                "ledger_violation",
                "meter_extras_divergence",
                "meter_extras_drift",
                *kinds_of_result("charges"),
                *kinds_of_result("refunds"),
                *DISPUTE_KINDS,
            },
        ),
        (
            "subscriptions",
            {
                "runaway_balance",
                "orphan_balance",
                "stale_past_due",
                *SUBSCRIPTION_KINDS,
                *PAYER_KINDS,
                *DISPUTE_KINDS,
            },
        ),
        ("organizations", {"orphan_balance", *PAYER_KINDS, *DISPUTE_KINDS}),
        ("billingusages", {"runaway_balance", "meter_extras_divergence", "meter_extras_drift"}),
    ],
)
def test_a_bad_document_keeps_open_what_rests_on_its_collection_and_nothing_else(collection: str, kinds: set[str]):
    night = Coverage(inputs(unreadable=unreadable(collection)), NIGHT)
    assert {kind for kind in OF_TABLES if not night.covers(kind, ORG, subject_of(kind), "an id")} == kinds
    of_others = {kind for kind in OF_TABLES if night.covers(kind, OTHER, subject_of(kind), "an id")}
    assert of_others == set(OF_TABLES) - (kinds & SHARED_KINDS)


@pytest.mark.parametrize("collection", ["billingextrabalances", "billingusages"])
def test_cumulative_drift_rests_on_every_week_of_the_organization(collection: str):
    assert not examined("meter_extras_drift", unreadable=unreadable(collection, week="2026-W45"))
    assert examined("meter_extras_drift", organization=OTHER, unreadable=unreadable(collection, week="2026-W45"))


def test_a_silent_bad_ledger_may_be_any_that_was_not_read():
    bad = unreadable("billingextrabalances", None)
    assert examined("ledger_violation", "e1", unreadable=bad)
    assert not examined("ledger_violation", "e1", organization=OTHER, unreadable=bad)


def test_a_silent_bad_subscription_may_be_any_that_was_not_read():
    bad = unreadable("subscriptions", None)
    assert examined("subscription_plan", "sub_1", unreadable=bad)
    assert not examined("subscription_plan", "sub_1", organization=OTHER, unreadable=bad)


def test_a_bad_usage_document_leaves_what_is_about_an_entry_or_an_organization_examined():
    bad = unreadable("billingusages", week="2026-W47")
    assert examined("ledger_violation", "e1", unreadable=bad)
    assert examined("orphan_balance", unreadable=bad)


def test_two_bad_documents_of_an_organization_darken_both_their_weeks():
    bad = pd.concat([unreadable("billingusages", week=key) for key in ("2026-W45", "2026-W46")])
    for key, expected in (("2026-W44", True), ("2026-W45", False), ("2026-W46", False), ("2026-W47", True)):
        assert examined("meter_extras_divergence", key, unreadable=bad) is expected


def test_a_runaway_balance_needs_this_weeks_document_and_the_plan():
    assert not examined("runaway_balance", unreadable=unreadable("billingusages", week="2026-W47"))
    assert examined("runaway_balance", unreadable=unreadable("billingusages", week="2026-W46"))
    assert not examined("runaway_balance", unreadable=unreadable("subscriptions"))


def test_an_unreadable_subscription_or_stripe_object_keeps_its_drift_open():
    assert not examined("subscription_plan", "sub_1", unreadable=unreadable("subscriptions"))
    assert not examined("stale_past_due", "sub_1", unreadable=unreadable("subscriptions"))
    bad = quarantined(("stripe.subscriptions", "sub_1", "status"))
    assert not examined("subscription_plan", "sub_1", quarantined_stripe=bad)
    assert examined("subscription_plan", "sub_2", quarantined_stripe=bad)
    assert not examined("subscription_unknown_here", "sub_1", None, quarantined_stripe=bad)
    both = pd.concat([bad, quarantined(("stripe.subscriptions", "sub_2", "status"))])
    assert not examined("subscription_plan", "sub_1", quarantined_stripe=both)
    assert not examined("subscription_plan", "sub_2", quarantined_stripe=both)


def test_a_bad_invoice_may_be_the_newest_of_any_subscription():
    bad = quarantined(("stripe.invoices", "in_1", "status"))
    assert not examined("invoice_marker_lag", "sub_1", quarantined_stripe=bad)
    assert examined("subscription_plan", "sub_1", quarantined_stripe=bad)


def test_an_invoice_out_of_the_nights_reach_keeps_its_marker_open():
    assert not examined("invoice_marker_lag", "sub_1", invoices_not_read=frozenset({"sub_1"}))
    assert examined("invoice_marker_lag", "sub_1", invoices_not_read=frozenset({"sub_2"}))


def test_a_subscription_written_just_now_is_not_compared_yet():
    minutes = pd.Timedelta(minutes=1)
    for age, expected in ((16, True), (15, True), (14, False), (-14, False), (-15, True)):
        written = subscription(updated_at=AS_OF - age * minutes)
        assert examined("subscription_plan", "sub_1", subscriptions=written) is expected
        assert examined("stale_past_due", "sub_1", subscriptions=written) is expected
        assert examined("subscription_plan", "sub_1", organization=OTHER, subscriptions=written)


def test_a_customer_whose_subscription_changed_just_now_at_stripe_is_not_compared_yet():
    lately = there(stripe_subscription_id="sub_2", changed_at=AS_OF - pd.Timedelta(minutes=14))
    other = there(stripe_subscription_id="sub_3", customer_id="cus_3")
    changed = at_stripe(there(), lately, other)
    assert not examined("subscription_status", "sub_2", stripe_subscriptions=changed)
    assert not examined("subscription_several_live", "sub_1", stripe_subscriptions=changed)
    assert examined("subscription_status", "sub_3", stripe_subscriptions=changed)
    assert examined("stale_past_due", "sub_2", stripe_subscriptions=changed)


@pytest.mark.parametrize(("kind", "table"), [("pack_without_topup", "charges"), ("refund_failed", "refunds")])
def test_a_payment_is_examined_where_stripe_showed_it_and_its_ledger_was_read(kind: str, table: str):
    subject = subject_of(kind)
    assert examined(kind, subject)
    assert not examined(kind, f"{subject}_older")
    assert not examined(kind, subject, **{table: None})
    assert not examined(kind, subject, unreadable=unreadable("billingextrabalances"))


def test_a_dispute_that_stripe_no_longer_lists_stays_as_it_was():
    assert not examined("dispute_credit_due", "du_2")
    assert not examined("livemode_mix", "du_2")
    assert not examined("livemode_mix", "dp_2")
    assert not examined("dispute_credit_due", "du_1", unreadable=unreadable("billingextrabalances"))
    assert examined("dispute_credit_due", "du_1", organization=OTHER, unreadable=unreadable("billingextrabalances"))
    assert not examined("dispute_credit_due", "du_1", organization=None, unreadable=unreadable("billingextrabalances"))


def test_a_bad_event_may_be_the_one_that_was_given_up():
    assert not examined("dead_lettered_event", "evt_1", None, unreadable=unreadable("processedstripeevents", None))


def test_a_bad_document_is_examined_as_long_as_its_week_is_read():
    for key, expected in (("2026-W43", True), ("2026-W48", True), ("2026-W42", False)):
        bad = quarantined(("billingusages", "bad", "meterUsed"))
        assert document_examined(bad, unreadable("billingusages", week=key)) is expected


def test_a_bad_document_of_no_week_is_examined_every_night():
    assert document_examined(quarantined(("subscriptions", "bad", "plan"), ("subscriptions", "bad", "status")))


def test_a_bad_document_of_which_no_stored_night_knows_is_not_examined():
    assert not examined("quarantined_documents", "bad", None)
    other = documents_of(quarantined(("subscriptions", "other", "plan")), unreadable())
    assert not examined("quarantined_documents", "bad", None, quarantined_before=other)


def test_documents_are_known_by_collection_id_organization_and_week():
    bad = quarantined(("billingusages", "bad", "a"), ("billingusages", "bad", "b"), ("subscriptions", "d2", "plan"))
    known = documents_of(bad, unreadable("billingusages", week="2026-W42"))
    assert [tuple(None if value != value else value for value in row) for row in known.to_numpy()] == [
        ("billingusages", "bad", "a" * 24, "2026-W42"),
        ("subscriptions", "d2", None, None),
    ]
    assert known.dtypes.astype(str).tolist() == ["str"] * 4


def test_documents_of_a_night_without_bad_ones_keep_their_columns_and_types():
    known = documents_of(quarantined(), unreadable())
    assert known.empty
    assert known.dtypes.astype(str).to_dict() == dict.fromkeys(DOCUMENT_COLUMNS, "str")
