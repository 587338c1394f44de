"""A whole night in one pass: every rule has its say over every table, and is told what the settings say."""

from dataclasses import replace

import pandas as pd
import pytest

from billing_dq.reconcile import night as night_module
from billing_dq.reconcile.inputs import ApplicationTables, Policy, StripeTables
from billing_dq.reconcile.meter.meter_extras import MeterContext, MeterResult
from billing_dq.reconcile.meter.quota.events import QuotaEvents
from billing_dq.reconcile.night import NightResult, reconcile_night, split_keys
from billing_dq.tables import (
    DISPUTE_ENTRIES,
    LEDGER_SUSPECTS,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    ORGANIZATIONS,
    PACK_PURCHASES,
    QUARANTINED_DOCUMENTS,
    QUARANTINED_STRIPE_OBJECTS,
    REFUND_ENTRIES,
    STRIPE_DISPUTES,
    TABLES,
    UNREADABLE_KEYS,
    WEEKLY_USAGE,
)
from billing_dq.units import Tolerance
from tests.support.dispute_rows import PACKS, clawback, dispute, moved
from tests.support.finding_rows import events
from tests.support.ledger_rows import AS_OF, NIGHT, ago, balance, balances, entry, ledger, window
from tests.support.payment_rows import charge, charges, refund_entry, refunds
from tests.support.subscription_rows import at_stripe, here, invoices, subscriptions, there, told

POLICY = Policy(
    tolerance=Tolerance(absolute_units=30.0),
    quota_of_plan={"free": 0.0, "starter": 500.0, "pro": 5000.0},
    quota_multiple=2.0,
    floor_units=100.0,
    packs=PACKS,
    dollars_to_units=500.0,
    pending_minutes=30.0,
    runbook_url="https://runbooks.example",
)

#: Organizations, named after what is wrong with them.
NAMES = (
    "drifts",
    "settled_once",
    "short",
    "in_debt",
    "plan_debt",
    "floor_debt",
    "nobody",
    "miscounted",
    "wrong_sign",
    "unexpired",
    "full",
    "overdue",
    "late_marker",
    "by_hand",
    "other_status",
    "test_mode",
    "gone",
    "bad_at_stripe",
    "disputed",
    "dark_week",
    "dark_debits",
    "dark_only",
)
IDS = {name: f"{place + 1:02x}" * 12 for place, name in enumerate(NAMES)}


def usage(*rows: tuple[str, str, float, float, list[str]]) -> pd.DataFrame:
    """Organization, week, used, quota and keys; a settlement's key is of 50 units."""
    return WEEKLY_USAGE.from_rows(
        {
            "organization_id": IDS[name],
            "week_key": f"2026-W{week}",
            "meter_used": used,
            "meter_quota": quota,
            "plan_version": None,
            "settled_units": 50.0 if any(key.startswith("settle:") for key in keys) else 0.0,
            "updated_at": ago(72),
            "attribution_keys": keys,
        }
        for name, week, used, quota, keys in rows
    )


def debit(name: str, ref: str, units: float, days_ago: float) -> dict[str, object]:
    return entry("debit", -units, f"debit {ref}", 24 * days_ago, organization=IDS[name], ref=ref)


def ours() -> ApplicationTables:
    holders = [name for name in NAMES if name not in ("dark_only", "nobody")]
    special: dict[str, dict[str, object]] = {
        "in_debt": {"cached": -1001.0},
        "plan_debt": {"cached": -1001.0},
        "floor_debt": {"cached": -101.0},
        "miscounted": {"cached": 5.0, "ledger_sum": 0.0},
        "full": {"document_bytes": 14 * 2**20, "entry_count": 1000},
    }
    dark = [("dark_week", "2026-W46"), ("dark_debits", "2026-W46"), ("dark_only", "2026-W45")]
    frames = {
        "organizations": ORGANIZATIONS.from_rows(
            {"organization_id": IDS[name], "plan": None} for name in NAMES if name != "nobody"
        ),
        "subscriptions": subscriptions(
            *(
                here(organization_id=IDS[name], **fields, stripe_customer_id=None)
                for name, fields in [
                    ("plan_debt", {"plan": "starter", "stripe_subscription_id": None}),
                    ("floor_debt", {"plan": "free", "stripe_subscription_id": None}),
                    ("overdue", {"stripe_subscription_id": None, "past_due_since": ago(100)}),
                    ("late_marker", {"stripe_subscription_id": "sub_late"}),
                    ("by_hand", {"stripe_subscription_id": "sub_hand", "admin_updated_at": ago(999)}),
                    ("other_status", {"stripe_subscription_id": "sub_status"}),
                    ("test_mode", {"stripe_subscription_id": "sub_test"}),
                    ("gone", {"stripe_subscription_id": "sub_gone"}),
                    ("bad_at_stripe", {"stripe_subscription_id": "sub_bad"}),
                ]
            )
        ),
        "weekly_usage": usage(
            *(("drifts", f"{week}", 120.0, 0.0, [f"drifts {week}"]) for week in (44, 45, 46)),
            ("settled_once", "45", 50.0, 500.0, ["settle:2026-W45"]),
            ("short", "45", 140.0, 0.0, ["short"]),
            ("in_debt", "47", 0.0, 500.0, []),
            ("dark_week", "45", 10.0, 500.0, ["dark"]),
        ),
        "extras_balances": balances(
            *(balance(IDS[name], **special.get(name, {})) for name in holders), balance(IDS["nobody"], 7.0)
        ),
        "ledger_entries": window(
            *(debit("drifts", f"drifts {week}", 100, 22.0 - 7 * (week - 44)) for week in (44, 45, 46)),
            debit("short", "short", 100, 15),
            entry("topup", 10, "topup 1", 50, organization=IDS["full"]),
            entry("topup", 10, "topup 2", 40, organization=IDS["full"]),
            debit("dark_debits", "dark debit", 77, 15),
        ),
        "expiring_ledgers": ledger(entry("topup", 100, "pack", 999, organization=IDS["unexpired"], expires=72)),
        "ledger_suspects": LEDGER_SUSPECTS.from_rows(
            [
                {
                    "organization_id": IDS["wrong_sign"],
                    "entry_id": "signed",
                    "position": 0,
                    "kind": "debit",
                    "ref_id": "a",
                    "stripe_session_id": None,
                    "amount": 3.0,
                    "at": AS_OF,
                }
            ]
        ),
        "dispute_entries": DISPUTE_ENTRIES.from_rows([clawback("du_due", organization=IDS["disputed"])]),
        "pack_purchases": PACK_PURCHASES.from_rows(
            [
                {
                    "organization_id": IDS["disputed"],
                    "entry_id": "bought",
                    "stripe_session_id": "cs_1",
                    "amount": 6000,
                    "at": ago(999),
                }
            ]
        ),
        "refund_entries": REFUND_ENTRIES.from_rows(
            [refund_entry("refund-re_1-bought", organization_id=IDS["disputed"])]
        ),
        "dead_lettered_events": events("evt_1"),
        "quarantined_documents": QUARANTINED_DOCUMENTS.from_rows(
            [{"collection": "billingusages", "document_id": "dark_week", "field": "meterUsed", "reason": "is a text"}]
        ),
        "unreadable_keys": UNREADABLE_KEYS.from_rows(
            {"collection": "billingusages", "document_id": name, "organization_id": IDS[name], "week_key": week}
            for name, week in dark
        ),
    }
    return ApplicationTables(NIGHT, frames)


def theirs(livemode: bool = True) -> StripeTables:
    disputes = {"organization_id": None, "stripe_session_id": "cs_1"}
    frames = {
        "stripe_subscriptions": at_stripe(
            *(
                there(stripe_subscription_id=f"sub_{name}", customer_id=f"cus_{name}", **fields)
                for name, fields in [
                    ("late", {}),
                    ("hand", {"plan": "starter"}),
                    ("status", {"status": "past_due"}),
                    ("test", {"livemode": False}),
                ]
            )
        ),
        "stripe_invoices": invoices(sub_late=ago(48)),
        "stripe_disputes": STRIPE_DISPUTES.from_rows(
            [
                dispute("du_due", **disputes),
                dispute("du_missing", moved(-250), amount_minor=250, status="lost", **disputes),
                dispute("du_ratio", moved(-300), amount_minor=300, status="lost", **disputes | {"pack_id": "pack_x"}),
                dispute("du_test", livemode=False, **disputes),
            ]
        ),
        "stripe_charges": charges(charge(organization_id=IDS["disputed"], stripe_session_id="cs_2", pack_id="pack_s")),
        "stripe_refunds": refunds(re_1="failed"),
        "quarantined_stripe_objects": QUARANTINED_STRIPE_OBJECTS.from_rows(
            [{"collection": "stripe.subscriptions", "document_id": "sub_bad", "field": "items", "reason": "no list"}]
        ),
    }
    return StripeTables(frames, livemode)


def findings_of(night: NightResult) -> list[tuple[object, ...]]:
    """Kind, organization by its name, subject, severity, units, cents and cause of each finding."""
    name_of = {identifier: name for name, identifier in IDS.items()}
    frame = night.findings
    rows = zip(
        frame["kind"],
        frame["organization_id"].map(name_of),
        frame["subject"].replace(name_of),
        frame["severity"],
        frame["units"],
        frame["usd_cents"],
        frame["cause"],
        strict=True,
    )
    return sorted((tuple(None if value != value else value for value in row) for row in rows), key=str)


OF_STRIPE = [
    ("dispute_clawback_missing", "disputed", "du_missing", "error", 3000, 600, None),
    ("dispute_clawback_missing", "disputed", "du_ratio", "error", 1500, 300, None),
    ("dispute_credit_due", "disputed", "du_due", "error", -6000, -1200, None),
    ("invoice_marker_lag", "late_marker", "sub_late", "error", 0, 0, None),
    ("pack_without_topup", "disputed", "ch_1", "error", -2000, -400, None),
    ("refund_failed", "disputed", "re_1", "error", -6000, -1200, "failed"),
    ("livemode_mix", "disputed", "du_test", "error", 0, 0, None),
    ("livemode_mix", "test_mode", "sub_test", "error", 0, 0, None),
    ("quarantined_documents", None, "sub_bad", "warning", 0, 0, None),
    ("subscription_missing_in_stripe", "gone", "sub_gone", "error", 0, 0, None),
    ("subscription_plan", "by_hand", "sub_hand", "warning", 0, 0, None),
    ("subscription_status", "other_status", "sub_status", "error", 0, 0, None),
]
OF_OUR_OWN = [
    ("dead_lettered_event", None, "evt_1", "error", 0, 0, None),
    ("ledger_violation", "full", "full", "critical", 0, 0, "document_size"),
    ("ledger_violation", "miscounted", "miscounted", "error", 5, 1, "cached_balance"),
    ("ledger_violation", "settled_once", "2026-W45", "error", -50, -10, "settlement_half_applied"),
    ("ledger_violation", "unexpired", "pack", "error", 100, 20, "expiry_not_swept"),
    ("ledger_violation", "wrong_sign", "signed", "error", 6, 1, "sign"),
    ("meter_extras_divergence", "dark_debits", "2026-W45", "error", -77, -15, "no_usage_document"),
    ("meter_extras_divergence", "drifts", "2026-W44", "info", 20, 0, "unexplained"),
    ("meter_extras_divergence", "drifts", "2026-W45", "info", 20, 0, "unexplained"),
    ("meter_extras_divergence", "drifts", "2026-W46", "info", 20, 0, "unexplained"),
    ("meter_extras_divergence", "short", "2026-W45", "error", 40, 8, "unexplained"),
    ("meter_extras_drift", "drifts", "drifts", "warning", 60, 12, None),
    ("orphan_balance", "nobody", "nobody", "error", -7, -1, None),
    ("plan_without_subscription", "overdue", "overdue", "error", 0, 0, None),
    ("plan_without_subscription", "plan_debt", "plan_debt", "error", 0, 0, None),
    ("quarantined_documents", "dark_week", "dark_week", "warning", 0, 0, None),
    ("runaway_balance", "floor_debt", "floor_debt", "critical", 101, 0, None),
    ("runaway_balance", "in_debt", "in_debt", "critical", 1001, 0, None),
    ("runaway_balance", "plan_debt", "plan_debt", "critical", 1001, 0, None),
    ("stale_past_due", "overdue", "overdue", "error", 0, 0, None),
]


def test_every_rule_finds_what_is_its_own_and_nothing_is_found_twice() -> None:
    night = reconcile_night(ours(), theirs(), POLICY)
    assert findings_of(night) == sorted([*OF_STRIPE, *OF_OUR_OWN], key=str)
    assert set(night.findings["first_seen"]) == {"2026-11-21"}
    assert set(night.findings["state"]) == {"new"}
    assert night.findings["runbook"].str.startswith("https://runbooks.example#").all()


def test_the_tables_behind_the_findings_are_handed_out() -> None:
    night = reconcile_night(ours(), theirs(), POLICY)
    deltas = night.meter.deltas
    assert deltas.index.tolist() == list(range(11))
    assert deltas.loc[deltas["grade"] == "unreadable", ["organization_id", "week_key"]].to_numpy().tolist() == [
        [IDS["dark_week"], "2026-W46"],
        [IDS["dark_debits"], "2026-W46"],
        [IDS["dark_only"], "2026-W45"],
    ]
    assert night.meter.evidence["cause"].tolist() == [
        *["unexplained"] * 3,
        "settlement_half_applied",
        "unexplained",
        "no_usage_document",
    ]
    assert night.violations["rule"].tolist() == [
        "settlement_half_applied",
        "cached_balance",
        "sign",
        "expiry_not_swept",
        "document_size",
    ]
    assert night.violations["detail"].iloc[-1].endswith("at its pace it is full in 276.9 weeks")
    assert night.runaway["rule"].tolist() == ["week_quota", "plan_quota", "floor"]
    assert night.drift is not None
    assert night.disputes is not None
    assert told(night.drift[["kind", "in_database", "in_stripe"]]) == [
        ("subscription_missing_in_stripe", "active", None),
        ("subscription_plan", "pro", "starter"),
        ("subscription_status", "active", "past_due"),
        ("livemode_mix", "live", "test"),
        ("invoice_marker_lag", None, "2026-11-19T03:10:00Z"),
        ("stale_past_due", "2026-11-16T23:10:00Z", None),
    ]
    assert night.drift.index.tolist() == list(range(6))
    assert sorted(night.disputes.positions["dispute_id"]) == ["du_due", "du_missing", "du_ratio", "du_test"]


def test_a_night_without_stripe_tells_what_needs_no_stripe() -> None:
    night = reconcile_night(ours(), None, POLICY)
    assert findings_of(night) == OF_OUR_OWN
    assert (night.drift, night.disputes) == (None, None)


def test_the_mode_of_the_key_decides_which_objects_are_compared() -> None:
    night = reconcile_night(ours(), theirs(livemode=False), POLICY)
    mixed = night.findings.loc[night.findings["kind"] == "livemode_mix", "subject"]
    assert sorted(mixed) == [
        "du_due",
        "du_missing",
        "du_ratio",
        "sub_hand",
        "sub_late",
        "sub_status",
    ]


def test_what_was_written_within_the_pending_minutes_is_not_compared_yet() -> None:
    kinds = {
        finding[0]
        for finding in findings_of(reconcile_night(ours(), theirs(), replace(POLICY, pending_minutes=99_999.0)))
    }
    assert not kinds & {
        "subscription_status",
        "subscription_plan",
        "subscription_missing_in_stripe",
        "invoice_marker_lag",
    }


def test_attribution_keys_are_told_by_the_position_of_their_row_in_commit_order() -> None:
    weekly = usage(
        ("drifts", "44", 1.0, 0.0, ["b", "a"]), ("drifts", "45", 1.0, 0.0, []), ("short", "44", 1.0, 0.0, ["c"])
    )
    rest, keys = split_keys(weekly.set_axis([7, 8, 9]))
    pd.testing.assert_frame_equal(
        keys, pd.DataFrame({"row": [0, 0, 2], "key": ["b", "a", "c"]}).astype({"row": "int64", "key": "str"})
    )
    assert list(rest.columns) == [name for name in WEEKLY_USAGE.column_names if name != "attribution_keys"]
    assert rest["organization_id"].tolist() == [IDS["drifts"], IDS["drifts"], IDS["short"]]


def test_a_company_without_a_document_gives_tables_without_rows() -> None:
    nothing = ApplicationTables(NIGHT, {name: TABLES[name].empty() for name in ours().frames})
    stripe = StripeTables({name: TABLES[name].empty() for name in theirs().frames}, True)
    for night in (reconcile_night(nothing, stripe, POLICY), reconcile_night(nothing, None, POLICY)):
        pd.testing.assert_frame_equal(night.findings, TABLES["findings"].empty())
        pd.testing.assert_frame_equal(night.meter.deltas, TABLES["meter_extras_deltas"].empty())
        pd.testing.assert_frame_equal(night.violations, TABLES["ledger_violations"].empty())


def test_organizations_without_a_usage_document_or_an_entry_are_no_finding() -> None:
    frames = {name: TABLES[name].empty() for name in ours().frames}
    frames |= {name: ours().frames[name] for name in ("organizations", "subscriptions")}
    frames["extras_balances"] = balances(*(balance(IDS[name]) for name in NAMES if name != "nobody"))
    night = reconcile_night(ApplicationTables(NIGHT, frames), None, POLICY)
    assert set(night.findings["kind"]) == {"stale_past_due", "plan_without_subscription"}


def test_the_meter_is_given_stripes_events_where_they_were_read(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def note(usage: object, keys: object, entries: object, context: MeterContext) -> MeterResult:
        given.append(context.quota_events)
        return MeterResult(METER_EXTRAS_DELTAS.empty(), METER_EXTRAS_EVIDENCE.empty())

    monkeypatch.setattr(night_module, "reconcile_meter", note)
    events = pd.DataFrame(
        [["evt_1", "sub_status", "customer.subscription.updated", AS_OF, "starter", "pro", "active", "active"]],
        columns=[
            *("event_id", "stripe_subscription_id", "type", "created"),
            *("plan_before", "plan_after", "status_before", "status_after"),
        ],
    ).astype({"created": "datetime64[ms, UTC]"})
    with_events = StripeTables({**theirs().frames, "stripe_subscription_events": events}, True, events_since=ago(720))
    for stripe in (with_events, theirs(), None):
        reconcile_night(ours(), stripe, POLICY)
    assert isinstance(given[0], QuotaEvents)
    assert given[0].changes[["organization_id", "before", "after"]].to_numpy().tolist() == [
        [IDS["other_status"], 500.0, 5000.0]
    ]
    assert given[1:] == [None, None]
