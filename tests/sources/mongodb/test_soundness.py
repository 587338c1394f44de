"""Every malformed kind of document: found in its bytes, explained field by field, kept out of the tables."""

import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from bson import Binary, Code, Decimal128, Int64, ObjectId, Regex
from pymongo.database import Database

from billing_dq.reconcile.ledger.entry_rules import entry_violations
from tests.support.mongo_world import (
    AS_OF,
    Document,
    World,
    assert_same_tables,
    empty_world,
    fill,
    frames_of,
    plain_tables,
    random_world,
    snapshot_of,
)

SECONDS = int(AS_OF.timestamp())
WRONG_NUMBERS: list[tuple[object, str]] = [
    ("12", "is text where a number belongs"),
    (Decimal128("12"), "is a Decimal128 where a number belongs"),
    (True, "is a bool where a number belongs"),
    ([1], "is a list where a number belongs"),
    (math.nan, "is not finite (nan)"),
    (math.inf, "is not finite (inf)"),
    (-math.inf, "is not finite (-inf)"),
    (AS_OF, "is a date where a number belongs"),
]
MISSING: list[tuple[object, str]] = [(None, "is null"), (..., "is missing")]
WRONG_IDS: list[tuple[object, str]] = [
    (str(ObjectId()), "is text where an ObjectId belongs"),
    (7, "is an int32 where an ObjectId belongs"),
    ({"$oid": "x"}, "is an object where an ObjectId belongs"),
]
WRONG_TEXTS: list[tuple[object, str]] = [
    (7, "is an int32 where text belongs"),
    (["a"], "is a list where text belongs"),
    (Code("x"), "is JavaScript where text belongs"),
    (Regex("x"), "is a BSON Regex where text belongs"),
]
WRONG_DATES: list[tuple[object, str]] = [
    ("2026-11-01", "is text where a date belongs"),
    (Int64(SECONDS), "is an int64 where a date belongs"),
]


def usage(**fields: object) -> Document:
    base: Document = {"organizationId": ObjectId(), "weekKey": "2026-W46", "meterUsed": 5, "meterQuota": 500}
    return _with(base, fields)


def balance(**fields: object) -> Document:
    return _with({"organization": ObjectId(), "cachedBalance": 5, "ledger": []}, fields)


def entry(**fields: object) -> Document:
    return _with({"_id": ObjectId(), "kind": "topup", "amount": 5, "at": AS_OF - timedelta(days=3)}, fields)


def subscription(**fields: object) -> Document:
    return _with({"organization": ObjectId(), "plan": "pro", "status": "active"}, fields)


def _with(base: Document, fields: Document) -> Document:
    return {name: value for name, value in {**base, **fields}.items() if value is not ...}


Case = tuple[str, Document, dict[str, str]]


def _usage_cases() -> list[Case]:
    cases = [
        *((field, *bad) for field in ("meterUsed", "meterQuota") for bad in (*WRONG_NUMBERS, *MISSING)),
        *((field, -0.5, "is negative (-0.5)") for field in ("meterUsed", "meterQuota")),
        *(("organizationId", *bad) for bad in (*WRONG_IDS, *MISSING)),
        *(("weekKey", *bad) for bad in WRONG_TEXTS),
        ("weekKey", "2025-W53", "is an impossible week key (2025-W53)"),
        ("weekKey", "2026-W54", "is an impossible week key (2026-W54)"),
        ("weekKey", "2026-W00", "is an impossible week key (2026-W00)"),
        ("weekKey", "2026-47", "is an impossible week key (2026-47)"),
        ("weekKey", "2026-W46\n", "is an impossible week key"),
        ("weekKey", "jane@example.org", "is an impossible week key"),
        ("weekKey", "", "is an impossible week key"),
        ("weekKey", ["2026-W46"], "is a list where text belongs"),
        ("weekKey", [], "is a list where text belongs"),
        ("weekKey", " 2026-W46", "is an impossible week key"),
        ("weekKey", "2026-11-10", "is an impossible week key (2026-11-10)"),
        ("planVersion", 2, "is an int32 where text belongs"),
        ("meterBreakdown", 3, "is an int32 where an object belongs"),
        ("meterBreakdown", [3], "is a list where an object belongs"),
        ("consumedAttributionKeys", "a:b", "is text where a list belongs"),
        ("consumedHistoryIds", ObjectId(), "is an ObjectId where a list belongs"),
        *(("updatedAt", *bad) for bad in WRONG_DATES),
    ]
    found: list[Case] = [("billingusages", usage(**{field: value}), {field: said}) for field, value, said in cases]
    found += [
        ("billingusages", usage(meterBreakdown={"a": 1, "b": bad}), {"meterBreakdown.*": said})
        for bad, said in (*WRONG_NUMBERS, (None, "is null where a number belongs"))
    ]
    found += [
        (
            "billingusages",
            usage(consumedAttributionKeys=["a:b", 3, None]),
            {
                "consumedAttributionKeys[1]": "is an int32 where text belongs",
                "consumedAttributionKeys[2]": "is null where text belongs",
            },
        ),
        (
            "billingusages",
            usage(consumedHistoryIds=[str(ObjectId())]),
            {"consumedHistoryIds[0]": "is text where an ObjectId belongs"},
        ),
        (
            "billingusages",
            usage(meterUsed="5", meterQuota=-1, weekKey="nonsense"),
            {
                "meterUsed": "is text where a number belongs",
                "meterQuota": "is negative (-1)",
                "weekKey": "is an impossible week key",
            },
        ),
    ]
    return found


def _balance_cases() -> list[Case]:
    cases = [
        *(("cachedBalance", *bad) for bad in (*WRONG_NUMBERS, *MISSING)),
        *(("organization", *bad) for bad in (*WRONG_IDS, *MISSING)),
        *(("ledger", *bad) for bad in MISSING),
        ("ledger", {"0": entry()}, "is an object where a list belongs"),
        ("ledger", "none", "is text where a list belongs"),
        *(("cachedBalanceAt", *bad) for bad in WRONG_DATES),
    ]
    found: list[Case] = [
        ("billingextrabalances", balance(**{field: value}), {field: said}) for field, value, said in cases
    ]
    found += [
        ("billingextrabalances", balance(ledger=[entry(), item]), {"ledger[1]": f"is {name} where an object belongs"})
        for item, name in ((7, "an int32"), (None, "null"), ("x", "text"), ([], "a list"), (math.nan, "a double"))
    ]
    in_entry = [
        *(("amount", *bad) for bad in (*WRONG_NUMBERS, *MISSING)),
        *(("at", *bad) for bad in (*WRONG_DATES, *MISSING)),
        *(("_id", *bad) for bad in (*WRONG_IDS, *MISSING)),
        *(("kind", *bad) for bad in (*WRONG_TEXTS, *MISSING)),
        *((field, *bad) for field in ("refId", "stripeSessionId", "source") for bad in WRONG_TEXTS),
        *(("expiresAt", *bad) for bad in WRONG_DATES),
    ]
    found += [
        ("billingextrabalances", balance(ledger=[entry(), entry(**{field: value})]), {f"ledger[1].{field}": said})
        for field, value, said in in_entry
    ]
    return found


def _subscription_cases() -> list[Case]:
    soon = AS_OF + timedelta(minutes=5, milliseconds=1)
    markers = ("lastSubscriptionEventCreatedAt", "lastInvoiceEventCreatedAt")
    cases = [
        *(("organization", *bad) for bad in (*WRONG_IDS, *MISSING)),
        ("plan", "gold", "is none of free, starter, pro, enterprise"),
        ("plan", 3, "is an int32 where text belongs"),
        (
            "status",
            "dead",
            "is none of incomplete, incomplete_expired, trialing, active, past_due, canceled, unpaid, paused",
        ),
        (
            "status",
            "",
            "is none of incomplete, incomplete_expired, trialing, active, past_due, canceled, unpaid, paused",
        ),
        *((marker, *bad) for marker in markers for bad in WRONG_NUMBERS),
        *((marker, SECONDS + 301, f"lies in the future ({SECONDS + 301})") for marker in markers),
        *((marker, SECONDS * 1000, f"lies in the future ({SECONDS * 1000})") for marker in markers),
        *((marker, -1, "is negative (-1)") for marker in markers),
        ("pastDueSince", soon, f"lies in the future ({soon.isoformat()})"),
        *(
            (field, *bad)
            for field in ("stripeCustomerId", "stripeSubscriptionId", "planVersion")
            for bad in WRONG_TEXTS
        ),
        *((field, *bad) for field in ("pastDueSince", "currentPeriodStart", "adminUpdatedAt") for bad in WRONG_DATES),
    ]
    return [("subscriptions", subscription(**{field: value}), {field: said}) for field, value, said in cases]


def _other_cases() -> list[Case]:
    cases: list[Case] = [
        ("organizations", {"_id": identity}, {"_id": said})
        for identity, said in (
            ("6ab32b259efbcc0f7f5a4495", "is text where an ObjectId belongs"),
            (7, "is an int32 where an ObjectId belongs"),
            (Binary(b"abc"), "is binary data where an ObjectId belongs"),
        )
    ]
    cases += [("organizations", {"plan": "gold"}, {"plan": "is none of free, starter, pro, enterprise"})]
    events: list[tuple[Document, str, str]] = [
        ({}, "eventId", "is missing"),
        ({"eventId": 3}, "eventId", "is an int32 where text belongs"),
        ({"eventId": "e1", "deadLetter": "yes"}, "deadLetter", "is text where true or false belongs"),
        ({"eventId": "e2", "attempts": math.nan}, "attempts", "is not finite (nan)"),
        ({"eventId": "e3", "deadLetter": True, "attempts": "3"}, "attempts", "is text where a number belongs"),
        ({"eventId": "e4", "deadLetter": True, "lastError": {"a": 1}}, "lastError", "is an object where text belongs"),
        ({"eventId": "e5", "processedAt": "now"}, "processedAt", "is text where a date belongs"),
    ]
    return cases + [("processedstripeevents", event, {field: said}) for event, field, said in events]


CASES = [*_usage_cases(), *_balance_cases(), *_subscription_cases(), *_other_cases()]


def test_every_malformed_kind_is_quarantined_with_field_and_reason_and_nothing_else_changes(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    sound = random_world(11, organizations=12)
    fill(database, sound)
    expected = plain_tables(sound)
    wanted: list[tuple[str, str, str, str]] = []
    for collection, document, faults in CASES:
        identity = database[collection].insert_one(dict(document)).inserted_id
        wanted += [(collection, str(identity), field, said) for field, said in faults.items()]
    snapshot = snapshot_of(database, mongodb_uri, tmp_path)
    tables = frames_of(snapshot)
    found = list(tables["quarantined_documents"].itertuples(index=False, name=None))
    assert sorted(found) == sorted(wanted)
    quarantine = {name: tables[name] for name in ("quarantined_documents", "unreadable_keys")}
    assert_same_tables(tables, {**expected, **quarantine})
    for collection, counts in snapshot.facts.counts.items():
        assert counts.quarantined == sum(case[0] == collection for case in CASES)
        assert counts.counted == database[collection].count_documents({})
        assert counts.counted == counts.read + counts.quarantined + counts.out_of_scope


def test_what_only_looks_odd_is_sound(database: Database[Document], mongodb_uri: str, tmp_path: Path) -> None:
    world = empty_world()
    later = AS_OF + timedelta(days=400)
    world["organizations"] = [{"_id": ObjectId(), "name": "x", "plan": None}, {"_id": ObjectId()}]
    world["subscriptions"] = [
        subscription(plan=None, status=None),
        subscription(lastInvoiceEventCreatedAt=SECONDS + 300, pastDueSince=AS_OF + timedelta(minutes=5)),
        subscription(lastInvoiceEventCreatedAt=Int64(SECONDS), lastSubscriptionEventCreatedAt=SECONDS - 0.5),
        subscription(currentPeriodStart=later, updatedAt=later),
    ]
    world["billingusages"] = [
        usage(meterUsed=0, meterQuota=-0.0, meterBreakdown={}, consumedAttributionKeys=[], consumedHistoryIds=None),
        usage(meterUsed=Int64(2**53), weekKey="2026-W47", counters={"a": "b"}, resetAt=later),
        usage(_id="a text", weekKey="2026-W47"),
        usage(_id=17, weekKey="2026-W47"),
    ]
    world["billingextrabalances"] = [
        balance(ledger=[entry(kind="gift", at=later), entry(amount=-3, expiresAt=None)]),
        balance(cachedBalance=-1e300),
    ]
    fill(database, world)
    tables = frames_of(snapshot_of(database, mongodb_uri, tmp_path))
    assert_same_tables(tables, plain_tables(world))
    rules = set(entry_violations(tables["ledger_suspects"], AS_OF)["rule"])
    assert rules == {"future_entry", "unknown_kind", "sign"}


def test_a_week_outside_the_night_is_out_of_scope_however_broken_the_document_is(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    weeks = ["2026-W53", "2020-W53", "2032-W53", "2026-W01", "1999-W52", "2020-W54", "2025-11-10", ["2020-W46"]]
    world = empty_world()
    world["billingusages"] = [usage(weekKey=week, meterUsed="5") for week in weeks]
    world["billingusages"].append(usage(weekKey=None, meterUsed=math.nan))
    fill(database, world)
    snapshot = snapshot_of(database, mongodb_uri, tmp_path)
    assert frames_of(snapshot)["quarantined_documents"].empty
    assert snapshot.facts.counts["billingusages"].out_of_scope == len(weeks) + 1


def unreadable(tables: dict[str, pd.DataFrame]) -> set[tuple[object, ...]]:
    frame = tables["unreadable_keys"].astype(object).where(tables["unreadable_keys"].notna(), None)
    return set(frame[["collection", "organization_id", "week_key"]].itertuples(index=False, name=None))


def test_a_quarantined_document_tells_which_key_it_leaves_in_the_dark(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    one, two, three = ObjectId(), ObjectId(), ObjectId()
    world: World = empty_world()
    world["organizations"] = [{"_id": str(three).upper()}, {"_id": 5}]
    world["subscriptions"] = [subscription(organization=one, plan="gold")]
    world["billingusages"] = [
        usage(organizationId=one, meterUsed="5"),
        usage(organizationId=str(two), weekKey="2026-W45"),
        usage(organizationId=two, weekKey="2026-W54"),
        usage(organizationId=None),
    ]
    world["billingextrabalances"] = [balance(organization=two, ledger=None), balance(organization="x")]
    world["processedstripeevents"] = [{"eventId": 5}]
    fill(database, world)
    assert unreadable(frames_of(snapshot_of(database, mongodb_uri, tmp_path))) == {
        ("organizations", str(three), None),
        ("organizations", None, None),
        ("subscriptions", str(one), None),
        ("billingusages", str(one), "2026-W46"),
        ("billingusages", str(two), "2026-W45"),
        ("billingusages", str(two), None),
        ("billingusages", None, "2026-W46"),
        ("billingextrabalances", str(two), None),
        ("billingextrabalances", None, None),
    }


def test_of_several_documents_for_one_key_the_newest_is_read_and_of_balances_none(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    old, new = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    one, low, high = ObjectId(), ObjectId("0" * 24), ObjectId("f" * 24)
    world = empty_world()
    world["billingusages"] = [
        usage(_id="a", organizationId=one, meterUsed=1, updatedAt=new),
        usage(_id="b", organizationId=one, meterUsed=2, updatedAt=old),
        usage(_id="c", organizationId=one, meterUsed=3),
        usage(_id="d", organizationId=one, meterUsed=4, weekKey="2026-W45"),
    ]
    world["subscriptions"] = [
        subscription(_id=low, organization=one, plan="free", updatedAt=new),
        subscription(_id=high, organization=one, plan="pro", updatedAt=new),
    ]
    world["billingextrabalances"] = [
        balance(_id="e", organization=one, cachedBalance=1),
        balance(_id="f", organization=one, cachedBalance=2, updatedAt=old),
    ]
    world["processedstripeevents"] = [
        {"_id": low, "eventId": "evt", "deadLetter": True, "attempts": 1},
        {"_id": high, "eventId": "evt", "deadLetter": True, "attempts": 2},
    ]
    fill(database, world)
    snapshot = snapshot_of(database, mongodb_uri, tmp_path)
    tables = frames_of(snapshot)
    assert sorted(tables["quarantined_documents"].itertuples(index=False, name=None)) == [
        ("billingextrabalances", "e", "organization", "duplicate_key"),
        ("billingextrabalances", "f", "organization", "duplicate_key"),
        ("billingusages", "b", "weekKey", "duplicate_key"),
        ("billingusages", "c", "weekKey", "duplicate_key"),
        ("processedstripeevents", str(low), "eventId", "duplicate_key"),
        ("subscriptions", str(low), "organization", "duplicate_key"),
    ]
    assert unreadable(tables) == {("billingextrabalances", str(one), None), ("billingusages", str(one), "2026-W46")}
    assert list(tables["weekly_usage"]["meter_used"]) == [4, 1]
    assert list(tables["subscriptions"]["plan"]) == ["pro"]
    assert tables["extras_balances"].empty
    assert tables["ledger_entries"].empty
    assert list(tables["dead_lettered_events"]["attempts"]) == [2]
    assert snapshot.facts.counts["billingusages"].read == 2


def test_a_ledger_full_of_bad_entries_is_told_in_a_bounded_number_of_rows(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    world = empty_world()
    world["billingextrabalances"] = [balance(ledger=[entry(amount="x") for _ in range(250)])]
    fill(database, world)
    found = frames_of(snapshot_of(database, mongodb_uri, tmp_path))["quarantined_documents"]
    assert len(found) == 101
    assert found["reason"].iloc[-1] == "150 more break the contract"


def test_ids_of_different_types_with_the_same_text_are_told_apart(
    database: Database[Document], mongodb_uri: str, tmp_path: Path
) -> None:
    one = ObjectId()
    world = empty_world()
    world["billingusages"] = [usage(_id=one, meterUsed="x"), usage(_id=str(one), meterUsed="y")]
    fill(database, world)
    assert (
        frames_of(snapshot_of(database, mongodb_uri, tmp_path))["quarantined_documents"]["document_id"].nunique() == 2
    )
