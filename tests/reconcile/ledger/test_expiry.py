"""The replay of lots by example, on the sample, and against a plainer replay: unit by unit."""

from dataclasses import dataclass, field

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.reconcile.ledger.expiry import Entry, expiry_violations, replay
from tests.support.examples import examples
from tests.support.ledger_rows import NIGHT, ORG, ago, entry, ledger, sample_ledgers

PACK = {"session": "cs_1", "expires": 100}


def violations(*entries: dict[str, object]) -> list[tuple[str, str, float]]:
    found = expiry_violations(ledger(*entries), NIGHT)
    return list(found[["rule", "entry_id", "units"]].itertuples(index=False, name=None))


def swept(units: float, of: str = "t", entry_id: str = "x", hours_ago: float = 90, **more: object) -> dict[str, object]:
    return entry("expiration", -units, entry_id, hours_ago, ref=f"expire-{of}", **more)


def test_the_sample_has_no_break_of_expiry_and_every_sweep_takes_exactly_what_was_left():
    accounts, ledgers = sample_ledgers()
    assert (len(accounts), len(ledgers), int((ledgers["kind"] == "expiration").sum())) == (88, 739, 17)
    assert expiry_violations(ledgers, NIGHT).empty
    exact = ledgers.copy()
    exact.loc[exact["kind"] == "expiration", "amount"] -= 1.0
    assert expiry_violations(exact, NIGHT)["rule"].value_counts().to_dict() == {"expiry_too_much": 17}


def test_an_expired_pack_must_be_swept_within_48_hours():
    assert violations(entry("topup", 50, "t", 200, expires=48)) == []
    a_millisecond = 1 / 3_600_000
    assert violations(entry("topup", 50, "t", 200, expires=48 + a_millisecond)) == [("expiry_not_swept", "t", 50.0)]


def test_a_fully_spent_pack_needs_its_zero_entry_too():
    spent = entry("topup", 50, "t", 200, **PACK), entry("debit", -50, "d", 150)
    assert violations(*spent) == [("expiry_not_swept", "t", 0.0)]
    assert violations(*spent, swept(0)) == []


def test_a_pack_without_expiry_needs_none_and_neither_does_an_adjustment():
    assert violations(entry("topup", 50, "t", 2000), entry("adjustment", 50, "a", 2000, ref="settle:x")) == []


def test_a_second_expiration_is_one_violation():
    pack = entry("topup", 50, "t", 200, **PACK)
    assert violations(pack, swept(50), swept(50, entry_id="y", hours_ago=80)) == [("expiry_twice", "y", -50.0)]


def test_an_expiration_takes_no_more_than_was_left():
    ledger_so_far = entry("topup", 50, "t", 200, **PACK), entry("debit", -20, "d", 150)
    assert violations(*ledger_so_far, swept(30)) == []
    assert violations(*ledger_so_far, swept(29)) == []
    assert violations(*ledger_so_far, swept(31)) == [("expiry_too_much", "x", -1.0)]


@pytest.mark.parametrize("ref", ["expire-nothing", "t", "refund-re_1-t", None])
def test_an_expiration_that_names_no_topup_took_too_much(ref: str | None):
    of_pack = entry("topup", 50, "t", 200, expires=10)
    assert violations(of_pack, entry("expiration", -5, "x", 90, ref=ref)) == [("expiry_too_much", "x", -5.0)]
    assert violations(of_pack, entry("expiration", 0, "x", 90, ref=ref)) == []


def test_parts_of_units_may_differ_by_the_rounding_of_doubles():
    assert violations(swept(1e-6, of="nothing")) == []
    assert violations(swept(2e-6, of="nothing")) == [("expiry_too_much", "x", -2e-6)]


def test_an_expiration_copied_under_its_own_id_took_too_much_once():
    so_far = entry("topup", 50, "t", 200, **PACK), entry("debit", -20, "d", 150)
    assert violations(*so_far, swept(31), swept(31)) == [("expiry_twice", "x", -31.0), ("expiry_too_much", "x", -1.0)]


def test_every_break_is_told_with_its_entry_and_its_arithmetic():
    frame = expiry_violations(
        ledger(
            entry("topup", 2000, "t", 200, ref="grant-1", expires=101.5),
            entry("topup", 3000, "u", 200, expires=110),
            entry("debit", -1000, "d", 150),
            swept(3000.5, of="u"),
            swept(1250, of="u", entry_id="y"),
        ),
        NIGHT,
    )
    assert frame.drop(columns="compensated_by").fillna("").to_numpy().tolist() == [
        [
            ORG,
            "expiry_not_swept",
            "t",
            "grant-1",
            2000.0,
            "a top-up of 2,000 units expired 102 hours ago and has no expiration entry; 2,000 units are left of it",
        ],
        [
            ORG,
            "expiry_twice",
            "y",
            "expire-u",
            -1250.0,
            "the top-up was expired before; this entry takes 1,250 units once more",
        ],
        [
            ORG,
            "expiry_too_much",
            "x",
            "expire-u",
            -1000.5,
            "the expiration takes 3,000.5 units of a top-up that had 2,000 left: 1,000.5 too many",
        ],
    ]


def test_a_pack_repays_first_what_was_spent_without_credit():
    assert violations(entry("debit", -20, "d", 300), entry("topup", 50, "t", 200, **PACK), swept(31)) == [
        ("expiry_too_much", "x", -1.0)
    ]


def test_a_balance_below_zero_takes_nothing_from_what_expired_before():
    spent_later = entry("topup", 50, "t", 200, **PACK), entry("debit", -80, "d", 95)
    assert violations(*spent_later, swept(50)) == []


def test_at_its_expiry_a_pack_stops_being_drawn_on():
    pack = entry("topup", 50, "t", 200, **PACK)
    assert violations(pack, entry("debit", -10, "d", 100), swept(50)) == []
    assert violations(pack, entry("debit", -10, "d", 100.001), swept(50)) == [("expiry_too_much", "x", -10.0)]


def test_the_credit_that_expires_first_is_drawn_on_first_and_one_without_expiry_last():
    credits = (
        entry("topup", 50, "never", 300),
        entry("topup", 50, "late", 290, expires=80),
        entry("topup", 50, "soon", 280, expires=100),
        entry("debit", -60, "d", 200),
    )
    assert violations(*credits, swept(0, of="soon"), swept(40, of="late", entry_id="y", hours_ago=70)) == []
    assert violations(*credits, swept(1, of="soon"), swept(41, of="late", entry_id="y", hours_ago=70)) == [
        ("expiry_too_much", "x", -1.0),
        ("expiry_too_much", "y", -1.0 - 1.0),
    ]


def test_among_equals_the_oldest_is_drawn_on_first():
    equals = (
        entry("topup", 50, "second", 290, expires=100),
        entry("topup", 50, "third", 300, expires=100),
        entry("debit", -50, "d", 200),
    )
    assert violations(*equals, swept(0, of="second"), swept(50, of="third", entry_id="y")) == []


def test_a_refund_takes_from_its_own_pack_first_and_the_rest_like_a_debit():
    packs = (
        entry("topup", 50, "t", 300, session="cs_1", expires=80),
        entry("topup", 50, "u", 300, session="cs_2", expires=100),
        entry("refund", -60, "r", 200, session="cs_1", ref="refund-re_1-t"),
    )
    assert violations(*packs, swept(40, of="u"), swept(0, of="t", entry_id="y", hours_ago=70)) == []
    assert violations(*packs, swept(41, of="u")) == [
        ("expiry_not_swept", "t", 0.0),
        ("expiry_too_much", "x", -1.0),
    ]


def test_a_refund_takes_from_its_own_pack_even_after_its_expiry():
    pack = entry("topup", 50, "t", 300, **PACK), entry("refund", -20, "r", 95, session="cs_1", ref="refund-re_1-t")
    assert violations(*pack, swept(30)) == []
    assert violations(*pack, swept(31)) == [("expiry_too_much", "x", -1.0)]


def test_what_an_expiration_takes_beyond_its_pack_is_drawn_like_a_debit():
    packs = (
        entry("topup", 50, "t", 300, expires=100),
        entry("topup", 50, "u", 300, expires=60),
        swept(70),
        swept(30, of="u", entry_id="y", hours_ago=55),
    )
    assert violations(*packs) == [("expiry_too_much", "x", -20.0)]


def test_a_repeated_debit_does_not_make_a_right_expiration_too_much():
    pack = entry("topup", 50, "t", 200, **PACK)
    first, again = (entry("debit", -20, name, 150, ref="h1:step") for name in ("d", "e"))
    assert violations(pack, first, again, swept(30)) == []
    assert violations(pack, first, again, swept(10)) == []
    assert violations(pack, first, again, swept(31)) == [("expiry_too_much", "x", -1.0)]


def test_each_ledger_is_replayed_by_itself_whatever_the_order_of_the_rows():
    organizations = [f"{number:024d}" for number in range(5)]
    rows = [
        row
        for organization in organizations
        for row in (
            entry("topup", 50, "t", 200, organization=organization, **PACK),
            entry("debit", -20, "d", 150, organization=organization),
            swept(31, organization=organization),
        )
    ]
    frame = ledger(*rows)
    for shuffled in (frame, frame.sample(frac=1.0, random_state=1), frame.iloc[::-1]):
        found = expiry_violations(shuffled, NIGHT)
        assert found["organization_id"].tolist() == organizations
        assert found["units"].tolist() == [-1.0] * 5


@dataclass
class _Unit:
    """One unit of credit in the plainer replay."""

    credit: int
    expires: float
    session: str | None


@dataclass
class _PlainReplay:
    """The replay on single units: no lots, no order kept between entries.

    See docs/domain.md, "What is left of a credit".
    """

    units: list[_Unit] = field(default_factory=list)
    uncovered: int = 0
    ids: dict[str, int] = field(default_factory=dict)
    first_of_session: dict[str, int] = field(default_factory=dict)
    before_sweep: dict[str, int] = field(default_factory=dict)

    def take(self, candidates: list[_Unit]) -> bool:
        if candidates:
            self.units.remove(min(candidates, key=lambda unit: (unit.expires, unit.credit)))
        return bool(candidates)

    def write(self, order: int, row: Entry) -> None:
        if row.amount > 0:
            self.ids[row.entry_id] = order
            if row.kind == "topup" and row.stripe_session_id:
                self.first_of_session.setdefault(row.stripe_session_id, order)
            for _ in range(int(row.amount)):
                if self.uncovered:
                    self.uncovered -= 1
                else:
                    self.units.append(_Unit(order, row.expires_at, row.stripe_session_id))
            return
        own = None
        if row.kind == "refund" and row.stripe_session_id:
            own = self.first_of_session.get(row.stripe_session_id)
        if row.kind == "expiration":
            own = self.ids.get(row.ref_id.removeprefix("expire-")) if row.ref_id else None
            self.before_sweep[row.entry_id] = self.left(own)
        rest = int(-row.amount)
        while rest and self.take([unit for unit in self.units if unit.credit == own]):
            rest -= 1
        if row.kind == "expiration":
            self.units = [unit for unit in self.units if unit.credit != own]
        while rest and self.take([unit for unit in self.units if unit.expires > row.at]):
            rest -= 1
        self.uncovered += rest

    def left(self, credit: int | None) -> int:
        return sum(unit.credit == credit for unit in self.units)


@st.composite
def plain_ledgers(draw: st.DrawFn) -> list[Entry]:
    """Ledgers of up to a dozen entries of a few units, at times that need not be in order."""
    entries: list[Entry] = []
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["topup", "topup", "adjustment", "debit", "debit", "refund", "expiration"]))
        units, at = draw(st.integers(0 if kind == "expiration" else 1, 6)), float(draw(st.integers(0, 9)))
        session = draw(st.sampled_from([None, "cs_1", "cs_2"]))
        expires = draw(st.sampled_from([float("inf"), 3.0, 5.0, 7.0])) if kind == "topup" else float("inf")
        ref = draw(st.sampled_from([None, *(f"expire-e{of}" for of in range(12))]))
        amount = float(units if kind in ("topup", "adjustment") else -units)
        entries.append(Entry(f"e{number}", kind, amount, ref, session, at, expires))
    return entries


@examples(400)
@given(plain_ledgers())
def test_the_replay_agrees_with_a_replay_of_single_units(entries: list[Entry]):
    plain = _PlainReplay()
    for order, row in enumerate(entries):
        plain.write(order, row)
    lots, sweeps = replay(entries)
    assert [lot.balance for lot in lots] == [plain.left(order) for order in plain.ids.values()]
    assert {sweep.entry.entry_id: sweep.balance for sweep in sweeps} == plain.before_sweep
    # What is left of credits, less what was spent without any, is the balance, but for what sweeps left lying.
    forgone = sum(max(0.0, sweep.balance - sweep.expired) for sweep in sweeps)
    assert len(plain.units) - plain.uncovered + forgone == sum(row.amount for row in entries)


@examples(60)
@given(plain_ledgers(), st.integers(2, 1000))
def test_all_units_times_k_leave_k_times_as_much(entries: list[Entry], factor: int):
    lots, _ = replay(entries)
    scaled, _ = replay([row._replace(amount=row.amount * factor) for row in entries])
    assert [lot.balance * factor for lot in lots] == [lot.balance for lot in scaled]


def test_no_ledger_no_violation():
    assert expiry_violations(ledger(), NIGHT).empty


@pytest.mark.parametrize("kind", ["debit", "refund", "expiration", "mystery"])
def test_an_entry_of_the_wrong_sign_gives_no_credit(kind: str):
    rows = entry("topup", 50, "t", 200, **PACK), entry(kind, 30, "w", 150), entry("debit", -30, "d", 140), swept(20)
    assert violations(*rows) == []


def test_instants_are_compared_to_the_millisecond():
    frame = ledger(entry("topup", 50, "t", 200, expires=100), entry("debit", -10, "d", 150))
    frame.loc[1, "at"] = pd.Timestamp(ago(100)) - pd.Timedelta(milliseconds=1)
    assert expiry_violations(frame, NIGHT)["units"].tolist() == [40.0]
    frame.loc[1, "at"] = pd.Timestamp(ago(100))
    assert expiry_violations(frame, NIGHT)["units"].tolist() == [50.0]


def in_full(hours_ago: float, units: float = 50) -> list[tuple[str, str, float]]:
    """A pack of 50, of which 20 were spent, expired by an entry of so many hours ago."""
    pack, spent = entry("topup", 50, "t", 2000, session="cs_1", expires=1900), entry("debit", -20, "d", 1950, ref="a")
    return violations(pack, spent, swept(units, hours_ago=hours_ago))


def test_an_old_expiration_that_took_all_that_its_pack_gave_is_told_apart():
    hours_of_window = (NIGHT.as_of - NIGHT.weeks[0].start).total_seconds() / 3600
    assert in_full(hours_of_window + 1) == [("expiry_in_full", "x", -20.0)]
    assert in_full(hours_of_window) == [("expiry_too_much", "x", -20.0)]
    assert in_full(hours_of_window + 1, units=49) == [("expiry_too_much", "x", -19.0)]
    assert in_full(hours_of_window + 1, units=51) == [("expiry_too_much", "x", -21.0)]


def test_an_old_expiration_that_names_no_topup_is_no_legacy():
    assert violations(entry("topup", 50, "t", 2000), swept(50, of="nobody", hours_ago=1900)) == [
        ("expiry_too_much", "x", -50.0)
    ]
