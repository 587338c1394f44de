"""The lines of a ledger: what is shown around the entries in question, and the balance after each."""

from datetime import UTC, datetime, timedelta

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.report.evidence.frames import NightFrames
from billing_dq.report.evidence.ledger import LINES, entries_of, ledger_of
from billing_dq.report.evidence.names import in_question
from billing_dq.tables import EXPIRING_LEDGERS, EXTRAS_BALANCES, LEDGER_ENTRIES, PACK_PURCHASES

ORGANIZATION = "6a" + "0" * 22
START = datetime(2026, 11, 1, tzinfo=UTC)


def row(position: int, amount: float, **more: object) -> dict[str, object]:
    return {
        "organization_id": ORGANIZATION,
        "position": position,
        "entry_id": f"e{position}",
        "kind": "debit",
        "amount": amount,
        "ref_id": f"key-{position}",
        "at": START + timedelta(hours=position),
        **more,
    }


def balance(ledger_sum: float, count: int) -> pd.DataFrame:
    document = {"cached_balance": ledger_sum, "ledger_sum": ledger_sum, "entry_count": count, "document_bytes": 1}
    return EXTRAS_BALANCES.from_rows([{"organization_id": ORGANIZATION, **document}])


def frames(*rows: dict[str, object], **others: pd.DataFrame) -> NightFrames:
    return NightFrames("2026-11-21", {"ledger_entries": LEDGER_ENTRIES.from_rows(rows), **others})


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=30), st.data())
def test_the_balance_after_an_entry_is_the_sum_up_to_it_wherever_enough_was_read(
    amounts: list[int], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(amounts) - 1))
    rows = [row(place, float(amount)) for place, amount in enumerate(amounts)][first:]
    stored = frames(*rows, extras_balances=balance(float(sum(amounts)), len(amounts)))
    assert [entry.balance for entry in entries_of(stored, ORGANIZATION)] == [
        float(sum(amounts[: place + 1])) for place in range(first, len(amounts))
    ]


def test_beyond_a_gap_no_balance_is_claimed() -> None:
    stored = frames(row(2, 5.0), row(4, 7.0), extras_balances=balance(100.0, 5))
    assert [entry.balance for entry in entries_of(stored, ORGANIZATION)] == [None, 100.0]
    forwards = frames(row(0, 5.0), row(2, 7.0))
    assert [entry.balance for entry in entries_of(forwards, ORGANIZATION)] == [5.0, None]


def test_an_entry_is_one_entry_whichever_rules_read_it_and_one_without_a_place_stands_by_its_time() -> None:
    bought = {"organization_id": ORGANIZATION, "entry_id": "old", "stripe_session_id": "cs_1", "amount": 9.0}
    stored = frames(
        row(3, 1.0),
        row(4, 2.0),
        expiring_ledgers=EXPIRING_LEDGERS.from_rows([row(3, 1.0)]),
        pack_purchases=PACK_PURCHASES.from_rows(
            [bought | {"at": START}, bought | {"entry_id": "e4", "at": START + timedelta(hours=4)}]
        ),
    )
    entries = entries_of(stored, ORGANIZATION)
    assert [(entry.entry_id, entry.position, entry.kind) for entry in entries] == [
        ("old", None, "topup"),
        ("e3", 3, "debit"),
        ("e4", 4, "debit"),
    ]


def test_what_is_cut_is_counted_and_the_entries_in_question_are_marked() -> None:
    stored = frames(*(row(place, 1.0) for place in range(50)), extras_balances=balance(50.0, 50))
    entries = entries_of(stored, ORGANIZATION)
    marked = in_question(entries, frozenset({"key-10", "e40"}))
    ledger = ledger_of(stored, ORGANIZATION, entries, marked, [])
    assert [line.entry_id for line in ledger.lines if line.in_question] == ["e10", "e40"]
    assert [line.entry_id for line in ledger.lines] == [*(f"e{n}" for n in (8, 9, 10, 11, 12, 38, 39, 40, 41, 42))]
    assert [line.cut_before for line in ledger.lines] == [8, 0, 0, 0, 0, 25, 0, 0, 0, 0]
    assert (ledger.cut_after, ledger.entry_count) == (7, 50)


def test_a_ledger_of_any_size_is_a_few_lines() -> None:
    stored = frames(*(row(place, 1.0, ref_id="same") for place in range(500)), extras_balances=balance(500.0, 500))
    entries = entries_of(stored, ORGANIZATION)
    whole = ledger_of(stored, ORGANIZATION, entries, in_question(entries, frozenset({"same"})), [])
    assert len(whole.lines) <= LINES
    nothing = ledger_of(stored, ORGANIZATION, entries, [], [])
    assert [nothing.lines[0].cut_before, len(nothing.lines), nothing.cut_after] == [500 - LINES, LINES, 0]


def test_a_reference_that_names_an_object_of_stripes_is_in_question_and_so_is_the_expiry_of_its_top_up() -> None:
    stored = frames(
        row(0, 6000.0, kind="topup", ref_id=None, stripe_session_id="cs_1", entry_id="t"),
        row(1, -6000.0, kind="refund", ref_id="refund-dispute_du_1-t"),
        row(2, -3.0, kind="expiration", ref_id="expire-t"),
        row(3, -3.0, ref_id="a-du_1x"[:4]),
    )
    entries = entries_of(stored, ORGANIZATION)
    assert [entry.position for entry in in_question(entries, frozenset({"cs_1", "du_1"}))] == [0, 1, 2]
