import pandas as pd
import pytest

from billing_dq.reconcile.ledger.settlements import settlement_violations
from billing_dq.reconcile.meter.quota.resets import Resets
from billing_dq.tables import LEDGER_ENTRIES, SUBSCRIPTIONS
from tests.support.ledger_rows import (
    AS_OF,
    NIGHT,
    ORG,
    OTHER,
    documents,
    entry,
    keys,
    sample_ledgers,
    unreadable,
    usage,
    window,
)

KEY = "settle:2026-W47"
NO_ENTRIES = LEDGER_ENTRIES.empty()
#: No organization is at Stripe, which alone announces what resets a meter.
NO_RESETS = Resets(SUBSCRIPTIONS.empty())


def found(
    week: pd.DataFrame,
    week_keys: pd.DataFrame,
    entries: pd.DataFrame,
    bad: pd.DataFrame | None = None,
    resets: Resets = NO_RESETS,
) -> list[tuple[str, float]]:
    frame = settlement_violations(week, week_keys, entries, NIGHT, unreadable() if bad is None else bad, resets)
    assert set(frame["rule"]) <= {"settlement_half_applied"}
    return list(frame[["ref_id", "units"]].itertuples(index=False, name=None))


def credit(
    hours_ago: float, amount: float = 30, ref: str = KEY, entry_id: str = "s", **more: object
) -> dict[str, object]:
    return entry("adjustment", amount, entry_id, hours_ago, ref=ref, **more)


def charged(settled: float | None = 30.0, hours_ago: float = 72, **more: object) -> pd.DataFrame:
    written = AS_OF - pd.Timedelta(hours=hours_ago)
    week_before = {"week_key": "2026-W45" if more.get("week_key") else "2026-W46"}
    return usage({"settled_units": settled, "meter_used": 50.0, "updated_at": written, **more}, week_before)


def test_both_sides_are_in_order():
    assert found(charged(), keys((0, "h1:step"), (0, KEY)), window(credit(72))) == []


def test_an_entry_alone_for_more_than_48_hours_is_half_applied():
    week = usage({"meter_used": 5.0})
    assert found(week, keys((0, "h1:step")), window(credit(48))) == []
    assert found(week, keys((0, "h1:step")), window(credit(48.01))) == [(KEY, 30.0)]


def test_an_entry_without_any_usage_document_is_half_applied():
    assert found(usage(), keys(), window(credit(72))) == [(KEY, 30.0)]


def test_a_key_alone_for_more_than_48_hours_is_half_applied():
    assert found(charged(hours_ago=48), keys((0, KEY)), NO_ENTRIES) == []
    assert found(charged(hours_ago=48.01), keys((0, KEY)), NO_ENTRIES) == [(KEY, -30.0)]


def test_a_document_that_does_not_tell_its_last_write_is_as_old_as_its_week():
    week = charged(updated_at=None)
    assert found(week, keys((0, KEY)), NO_ENTRIES) == []
    earlier = charged(updated_at=None, week_key="2026-W46")
    assert found(earlier, keys((0, "settle:2026-W46")), NO_ENTRIES) == [("settle:2026-W46", -30.0)]


def test_a_credit_of_more_than_the_document_can_hold_is_half_applied():
    assert found(charged(), keys((0, KEY)), window(credit(1, amount=31))) == [(KEY, 1.0)]
    assert found(charged(0.5), keys((0, KEY)), window(credit(1, amount=1))) == [(KEY, 0.5)]


def test_nothing_is_compared_where_a_change_of_plan_may_have_reset_the_meter():
    row = dict.fromkeys(SUBSCRIPTIONS.column_names)
    of_stripe = row | {"organization_id": ORG, "last_subscription_event_at": AS_OF}
    changed = Resets(SUBSCRIPTIONS.from_rows([of_stripe]))
    assert found(charged(), keys((0, KEY)), window(credit(1, amount=31)), resets=changed) == []
    assert found(charged(), keys((0, KEY)), NO_ENTRIES, resets=changed) == [(KEY, -30.0)]


def test_a_credit_of_less_is_sound_as_units_can_be_in_no_part_of_the_breakdown():
    assert found(charged(), keys((0, KEY)), window(credit(1, amount=29))) == []


def test_amounts_that_differ_by_the_rounding_of_doubles_are_the_same():
    assert found(charged(1e-6), keys((0, KEY)), window(credit(1, amount=2e-6))) == []
    assert len(found(charged(1e-6), keys((0, KEY)), window(credit(1, amount=2.5e-6)))) == 1


def test_a_key_that_stands_twice_in_its_document_is_one_settlement():
    assert found(charged(), keys((0, KEY), (0, KEY)), NO_ENTRIES) == [(KEY, -30.0)]


@pytest.mark.parametrize("settled", [None, 0.0, -20.0])
def test_what_a_reset_left_of_the_charge_is_not_compared(settled: float | None):
    assert found(charged(settled), keys((0, KEY)), window(credit(72))) == []


def test_a_key_alone_is_found_after_a_reset_too():
    assert found(charged(-20.0), keys((0, KEY)), NO_ENTRIES) == [(KEY, 0.0)]
    assert found(charged(None), keys((0, KEY)), NO_ENTRIES) == [(KEY, 0.0)]


def test_the_key_of_another_week_is_not_that_weeks():
    assert found(charged(), keys((0, "settle:2026-W46")), window(credit(72))) == [(KEY, 30.0)]


def test_weeks_outside_the_night_are_not_judged():
    old = window(credit(72, ref="settle:2026-W43"))
    assert found(charged(week_key="2026-W43"), keys(), old) == []
    assert found(charged(week_key="2026-W43"), keys((0, "settle:2026-W43")), NO_ENTRIES) == []


@pytest.mark.parametrize("collection", ["billingusages", "billingextrabalances"])
def test_an_unreadable_side_is_neither_there_nor_absent(collection: str):
    week = "2026-W47" if collection == "billingusages" else None
    bad = unreadable(collection, week=week)
    assert found(usage(), keys(), window(credit(72)), bad) == []
    assert found(charged(), keys((0, KEY)), NO_ENTRIES, bad) == []


def test_a_document_of_an_untold_week_darkens_only_weeks_without_another():
    bad = unreadable("billingusages")
    assert found(usage(), keys(), window(credit(72)), bad) == []
    assert found(charged(), keys(), window(credit(72)), bad) == [(KEY, 30.0)]


def test_a_repeated_settlement_is_compared_by_its_first_entry():
    assert found(charged(), keys((0, KEY)), window(credit(72), credit(71, 99, entry_id="t"))) == []


def test_entries_of_other_kinds_are_no_settlement():
    assert found(usage(), keys(), window(entry("debit", -30, "d", 72, ref=KEY))) == []


def test_the_sample_has_21_settlements_and_none_is_half_applied():
    rows: list[dict[str, object]] = []
    pairs: list[tuple[int, str]] = []
    for document in documents("billingusages"):
        if document.get("weekKey") in NIGHT.keys:
            of_document = document.get("consumedAttributionKeys") or []
            settled = f"settle:{document['weekKey']}" in of_document
            pairs += [(len(rows), key) for key in of_document]
            rows.append(
                {
                    "organization_id": str(document["organizationId"]),
                    "week_key": document["weekKey"],
                    "meter_used": float(document["meterUsed"]),
                    "settled_units": float(document["meterUsed"] - sum(document["meterBreakdown"].values()))
                    if settled
                    else 0.0,
                    "updated_at": document["updatedAt"],
                }
            )
    _, ledgers = sample_ledgers()
    assert sum(key.startswith("settle:") for _, key in pairs) == 20  # the 21st is of the week before the night's
    assert found(usage(*rows), keys(*pairs), ledgers) == []
    without = ledgers.loc[~ledgers["ref_id"].str.startswith("settle:").fillna(False)]
    assert len(found(usage(*rows), keys(*pairs), without)) == 15


@pytest.mark.parametrize(
    ("settled", "words"),
    [(1234.0, "1,234 units"), (1.0, "1 units"), (0.5, "0.5 units"), (0.0, "its units"), (None, "its units")],
)
def test_the_sentence_of_a_key_alone_tells_the_units_where_they_are_known(settled: float | None, words: str):
    frame = settlement_violations(charged(settled), keys((0, KEY)), NO_ENTRIES, NIGHT, unreadable(), NO_RESETS)
    assert frame.drop(columns=["units", "compensated_by"]).fillna("").to_numpy().tolist() == [
        [
            ORG,
            "settlement_half_applied",
            "",
            KEY,
            f"the settlement of 2026-W47 charged {words} to the week, and the ledger has no adjustment for it",
        ]
    ]


def test_every_break_is_told_with_its_entry_and_its_arithmetic_by_organization_and_week():
    week = usage(
        {"organization_id": OTHER, "settled_units": 1500.0},
        {"week_key": "2026-W46", "settled_units": 30.0},
        {"meter_used": 5.0},
        {"organization_id": OTHER, "week_key": "2026-W46"},
        {"week_key": "2026-W45"},
    )
    entries = window(
        credit(1, 2000, entry_id="d", organization=OTHER),
        credit(72, 1234.5, entry_id="s"),
        credit(100, 31, ref="settle:2026-W46", entry_id="w"),
    )
    frame = settlement_violations(week, keys((0, KEY), (1, "settle:2026-W46")), entries, NIGHT, unreadable(), NO_RESETS)
    assert frame.drop(columns=["rule", "compensated_by"]).to_numpy().tolist() == [
        [
            ORG,
            "w",
            "settle:2026-W46",
            1.0,
            "the settlement of 2026-W46 credited 31 units and charged 30 to the week at most",
        ],
        [
            ORG,
            "s",
            KEY,
            1234.5,
            "the settlement of 2026-W47 credited 1,234.5 units, and the week's usage document lacks its key",
        ],
        [
            OTHER,
            "d",
            KEY,
            500.0,
            "the settlement of 2026-W47 credited 2,000 units and charged 1,500 to the week at most",
        ],
    ]
