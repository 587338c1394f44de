"""Keys and debits, matched at once for a whole batch, against a loop over one organization at a time."""

from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.reconcile.meter.matching import Debits, Keys, ledger_settlements, match
from billing_dq.reconcile.meter.organization_weeks import milliseconds, organization_weeks_of
from billing_dq.weeks import NightWeeks, Week
from tests.support.examples import examples
from tests.support.meter_world import AS_OF, ORG, OTHER, Org, causes, frames, inside, reconcile

NIGHT = NightWeeks(AS_OF, 3, 6)
W42, W43, W44, W45, W46, W47, _, W49 = (f"2026-W{number}" for number in range(42, 50))
WEEKS = NIGHT.matching_keys


def matched(orgs: list[Org]) -> tuple[Keys, Debits]:
    usage, keys, entries = frames(orgs)
    entries = entries.iloc[::-1]
    index, of_usage, of_entries = organization_weeks_of(usage, entries, NIGHT)
    debit = (entries["kind"] == "debit").to_numpy()
    return match(
        index, keys, index.of(of_usage, index.week_codes(usage["week_key"])), entries[debit], of_entries[debit]
    )


def told(orgs: list[Org]) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """Keys as (text, week, settlement, its debit's id, replay), debits as (id, units, ref, week, owner, copy)."""
    keys, debits = matched(orgs)

    def week(cell: int) -> tuple[int, str] | None:
        return None if cell < 0 else (cell // len(WEEKS), WEEKS[cell % len(WEEKS)])

    refs, ids = debits.texts(np.arange(len(debits.amounts)))
    of_keys = [
        (text, week(cell), bool(settlement), ids[debit] if debit >= 0 else None, bool(replay))
        for text, cell, settlement, debit, replay in zip(
            keys.texts, keys.cells, keys.settlements, keys.debits, keys.replays, strict=True
        )
    ]
    of_debits = [
        (entry, float(units), ref, week(cell), week(owner), bool(copy))
        for entry, units, ref, cell, owner, copy in zip(
            ids, debits.amounts, refs, debits.cells, debits.owners, debits.copies, strict=True
        )
    ]
    return of_keys, of_debits


def reference(orgs: list[Org]) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """What `told` should say, one organization, key and debit at a time."""
    known = sorted({org.name for org in orgs if org.usage or org.entries})
    of_keys: list[tuple[object, ...]] = []
    of_debits: dict[str, list[tuple[object, ...]]] = {}
    for org in orgs:
        if org.name not in known:
            continue
        here = known.index(org.name)
        held: dict[str, list[str]] = {}
        for document in sorted(org.usage, key=lambda document: document["week_key"]):
            for key in document["attribution_keys"]:
                if document["week_key"] in WEEKS and not key.startswith("settle:"):
                    held.setdefault(key, []).append(document["week_key"])
        owner_of = {key: weeks[0] for key, weeks in held.items()}
        first: dict[str, str] = {}
        for debit in org.entries:
            ref, at = debit["ref_id"], Week.of(debit["at"]).key
            copy = ref in first
            owner = None
            if ref is not None and not copy:
                first[ref] = debit["entry_id"]
                if ref in held:
                    owner = max((week for week in held[ref] if week <= at), default=held[ref][0])
                    owner_of[ref] = owner
            cell = (here, at) if at in WEEKS else None
            row = (debit["entry_id"], -debit["amount"], ref, cell, None if owner is None else (here, owner), copy)
            of_debits.setdefault(org.name, []).append(row)
        for document in org.usage:
            week, seen = document["week_key"], set[str]()
            for key in document["attribution_keys"]:
                settlement, inside = key.startswith("settle:"), week in WEEKS
                usable = inside and not settlement
                mine = usable and owner_of[key] == week and key not in seen
                seen.add(key)
                replay = usable and owner_of[key] != week
                cell = (here, week) if inside else None
                of_keys.append((key, cell, settlement, first.get(key) if mine else None, replay))
    return of_keys, [row for name in known for row in of_debits.get(name, [])]


@st.composite
def organizations(draw: st.DrawFn) -> list[Org]:
    """A few organizations that hold keys of one another, twice in a document, in several weeks, and settlements."""
    orgs = [Org(f"6a00000000000000000000{number:02x}") for number in range(draw(st.integers(0, 3)))]
    for org in orgs:
        for week in draw(st.sets(st.sampled_from((W42, *WEEKS, W49)), max_size=4)):
            org.week(week, 0, 0, draw(st.lists(st.sampled_from(("a", "b", "c", "settle:2026-W46")), max_size=4)))
        for _ in range(draw(st.integers(0, 5))):
            ref = draw(st.sampled_from((None, "a", "b", "c", "x", "settle:2026-W46")))
            at = Week.parse(W43).start + timedelta(hours=draw(st.integers(-24, 6 * 7 * 24 - 1)))
            org.debit(ref, draw(st.integers(1, 9)) / 4, at)
    return orgs


@given(organizations())
@examples(150)
def test_a_batch_is_matched_as_each_of_its_organizations_is_by_hand(orgs: list[Org]) -> None:
    assert told(orgs) == reference(orgs)


def test_a_debit_belongs_to_the_newest_document_of_its_key_that_is_not_after_it() -> None:
    org = Org().week(W44, 0, 0, ["a"]).week(W45, 0, 0, ["a"]).week(W47, 0, 0, ["a"]).debit("a", 1, inside(W46))
    keys, debits = told([org])
    assert [replay for *_, replay in keys] == [True, False, True]
    assert debits[0][3:] == ((0, W46), (0, W45), False)
    before_all = Org().week(W45, 0, 0, ["a"]).week(W46, 0, 0, ["a"]).debit("a", 1, inside(W44))
    assert told([before_all])[1][0][4] == (0, W45)


def test_one_key_of_two_organizations_is_two_keys() -> None:
    orgs = [Org(name).week(W46, 0, 0, ["a"]).debit("a", units, inside(W46)) for name, units in ((ORG, 1), (OTHER, 2))]
    _, debits = told(orgs)
    assert [(units, owner, copy) for _, units, _, _, owner, copy in debits] == [
        (1, (0, W46), False),
        (2, (1, W46), False),
    ]


def test_a_key_that_one_document_holds_twice_has_its_debit_once() -> None:
    org = Org().week(W46, 300, 0, ["a", "b", "a"]).debit("a", 100, inside(W46)).debit("b", 100, inside(W46))
    assert causes(reconcile(org), W46) == {"missing_debit": 100}


def test_the_ledger_s_settlements_are_told_by_the_week_that_they_name() -> None:
    org = (
        Org()
        .entry("adjustment", "settle:2026-W45", 30, inside(W46))
        .entry("adjustment", "settle:2026-W45", 12, inside(W45))
    )
    org.entry("adjustment", "dispute-credit-1", 5, inside(W45)).entry("adjustment", None, 5, inside(W45))
    org.debit("settle:2026-W44", 7, inside(W44)).entry("adjustment", "settle:2026-W42", 9, inside(W47))
    org.entry("adjustment", "settle:2026-W43", 3, inside(W45))
    other = Org(OTHER).entry("adjustment", "settle:2026-W48", 2, inside(W45))
    usage, _, entries = frames([org, other])
    index, _, of_entries = organization_weeks_of(usage, entries, NIGHT)
    found = ledger_settlements(index, entries, of_entries, milliseconds(entries["at"]))
    at = [int(inside(week).timestamp() * 1000) for week in (W46, W45)]
    assert found.units.tolist() == [3, 0, 42, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert np.flatnonzero(found.present).tolist() == [0, 2, 11]
    assert found.at.tolist() == [at[1], 0, at[0], 0, 0, 0, 0, 0, 0, 0, 0, at[1]]
