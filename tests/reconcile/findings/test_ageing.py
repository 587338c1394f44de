"""The ageing of findings by example, and for any sequence of nights against what each night's reader may expect."""

from dataclasses import dataclass
from functools import cache

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.reconcile.findings.acceptance import ACCEPTANCE_COLUMNS
from billing_dq.reconcile.findings.ageing import findings_of_night, known_before, with_ageing
from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.reconcile.findings.night_findings import plain_findings
from billing_dq.reconcile.findings.standing import seen_open
from tests.support.examples import examples
from tests.support.finding_rows import deltas, events, evidence, violation, violations, week
from tests.support.ledger_rows import NIGHT, ORG


@cache
def broken(*entries: str) -> pd.DataFrame:
    inputs = FindingInputs(violations=violations(*(violation("sign", entry) for entry in entries)))
    return plain_findings(inputs, NIGHT, 1000.0, "RUNBOOKS.md")


def everything(kind: str, organization_id: str | None, subject: str, explanation: str) -> bool:
    return True


def nothing(kind: str, organization_id: str | None, subject: str, explanation: str) -> bool:
    return False


def lives(frame: pd.DataFrame) -> dict[str, tuple[str, str, str, int]]:
    columns = ["subject", "state", "first_seen", "last_seen", "nights_open"]
    return {row[0]: row[1:] for row in frame[columns].itertuples(index=False, name=None)}


def test_a_finding_is_new_then_persisting_then_resolved_once_then_gone():
    first = with_ageing(broken("a"), None, "2026-11-01", everything)
    assert lives(first) == {"a": ("new", "2026-11-01", "2026-11-01", 1)}
    second = with_ageing(broken("a"), first, "2026-11-03", everything)
    assert lives(second) == {"a": ("persisting", "2026-11-01", "2026-11-03", 2)}
    third = with_ageing(broken(), second, "2026-11-04", everything)
    assert lives(third) == {"a": ("resolved", "2026-11-01", "2026-11-03", 2)}
    assert lives(with_ageing(broken(), third, "2026-11-05", everything)) == {}


def test_a_finding_that_comes_back_is_reopened_and_goes_on_counting():
    first = with_ageing(broken("a"), None, "2026-11-01", everything)
    resolved = with_ageing(broken(), first, "2026-11-02", everything)
    again = with_ageing(broken("a"), resolved, "2026-11-03", everything)
    assert lives(again) == {"a": ("reopened", "2026-11-01", "2026-11-03", 2)}
    assert lives(with_ageing(broken("a"), again, "2026-11-04", everything))["a"][0] == "persisting"


def test_older_nights_tell_what_comes_back_after_a_while():
    found = with_ageing(broken("a"), None, "2026-11-01", everything)
    nights = [found]
    for night in ("2026-11-02", "2026-11-03", "2026-11-04"):
        nights.append(with_ageing(broken(), known_before(nights), night, everything))
    assert nights[-1].empty
    again = with_ageing(broken("a"), known_before(nights), "2026-11-05", everything)
    assert lives(again) == {"a": ("reopened", "2026-11-01", "2026-11-05", 2)}
    assert lives(with_ageing(broken("a"), nights[-1], "2026-11-05", everything))["a"][0] == "new"
    assert lives(with_ageing(broken("a"), known_before(nights[:3]), "2026-11-04", everything))["a"][0] == "reopened"
    known = known_before([*nights, again])
    assert known is not None
    assert lives(known) == lives(again)
    assert known_before([]) is None


def test_a_night_that_did_not_examine_a_thing_leaves_it_open_as_it_was():
    first = with_ageing(broken("a"), None, "2026-11-01", everything)
    second = with_ageing(broken(), first, "2026-11-02", nothing)
    assert lives(second) == {"a": ("persisting", "2026-11-01", "2026-11-01", 2)}
    assert seen_open(second, "2026-11-02").empty
    third = with_ageing(broken(), second, "2026-11-03", everything)
    assert lives(third) == {"a": ("resolved", "2026-11-01", "2026-11-01", 2)}


def accepted(frame: pd.DataFrame, until: str | None = None) -> pd.DataFrame:
    return frame.assign(accepted_by="anna", accepted_why="known", accepted_until=until)


def test_the_life_of_a_finding_carries_an_acceptance_only_where_the_night_could_not_look():
    first = accepted(with_ageing(broken("a"), None, "2026-11-01", everything))
    carried = with_ageing(broken(), first, "2026-11-02", nothing)
    assert carried["accepted_by"].tolist() == ["anna"]
    for judged_anew in (
        with_ageing(broken("a"), first, "2026-11-02", everything),
        with_ageing(broken(), first, "2026-11-02", everything),
    ):
        assert judged_anew[list(ACCEPTANCE_COLUMNS)].isna().all(axis=None)


def test_an_accepted_finding_that_no_night_can_examine_is_forgotten_after_a_while():
    first = with_ageing(broken("a"), None, "2026-06-01", everything)
    assert with_ageing(broken(), accepted(first), "2026-11-01", nothing).empty
    assert len(with_ageing(broken(), accepted(first), "2026-09-01", nothing)) == 1
    for somebody_has_to_look in (first, accepted(first, until="2026-12-31")):
        assert len(with_ageing(broken(), somebody_has_to_look, "2026-11-01", nothing)) == 1


def test_the_findings_text_and_severity_are_those_of_its_last_sight():
    row = week("unexplained", week_key="2026-W47", week_state="open", cause="late_debit")
    first = findings_of_night(
        FindingInputs(deltas=deltas(row), evidence=evidence()), None, "2026-11-21", NIGHT, 1000.0, "R.md"
    )
    closed = week("unexplained", week_key="2026-W47", cause="missing_debit", delta_units=70.0)
    inputs = FindingInputs(deltas=deltas(closed), evidence=evidence())
    second = findings_of_night(inputs, first, "2026-11-22", NIGHT, 1000.0, "R.md")
    assert second[["state", "severity", "cause", "units", "nights_open"]].to_numpy().tolist() == [
        ["persisting", "error", "missing_debit", 70.0, 2]
    ]


def test_a_night_is_asked_about_everything_that_it_did_not_find():
    inputs = FindingInputs(violations=violations(violation("sign", "a")), dead_lettered=events("evt_1"))
    first = findings_of_night(inputs, None, "2026-11-01", NIGHT, 1000.0, "R.md")
    asked: list[tuple[str, str | None, str, str]] = []

    def note(kind: str, organization_id: str | None, subject: str, finding_id: str) -> bool:
        asked.append((kind, organization_id, subject, finding_id))
        return True

    with_ageing(broken(), first, "2026-11-02", note)
    ids = dict(zip(first["kind"], first["finding_id"], strict=True))
    assert sorted(asked, key=lambda question: question[0]) == [
        ("dead_lettered_event", None, "evt_1", ids["dead_lettered_event"]),
        ("ledger_violation", ORG, "a", ids["ledger_violation"]),
    ]


def test_a_night_resolves_what_it_looked_for_and_did_not_find():
    settlement = violation("settlement_half_applied", "s", 1000.0, ref_id="settle:2026-W47")
    first = findings_of_night(
        FindingInputs(violations=violations(settlement)), None, "2026-11-21", NIGHT, 1000.0, "R.md"
    )
    assert first.drop(columns=["finding_id", "same_money_as", *ACCEPTANCE_COLUMNS]).to_numpy().tolist() == [
        [
            "ledger_violation",
            ORG,
            "2026-W47",
            "warning",
            1000.0,
            100,
            "unexplained",
            "settlement_half_applied",
            "in detail",
            "R.md#ledger-violation",
            pd.Timestamp("2026-11-16", tz="UTC"),
            "new",
            "2026-11-21",
            "2026-11-21",
            1,
        ]
    ]
    looked = findings_of_night(FindingInputs(violations=violations()), first, "2026-11-22", NIGHT, 1000.0, "R.md")
    assert looked["state"].tolist() == ["resolved"]
    did_not = findings_of_night(FindingInputs(), first, "2026-11-22", NIGHT, 1000.0, "R.md")
    assert did_not["state"].tolist() == ["persisting"]


def test_checks_judge_what_the_night_itself_found():
    first = with_ageing(broken("a", "b", "c"), None, "2026-11-01", everything)
    second = with_ageing(broken("a"), first, "2026-11-02", lambda kind, organization, subject, text: subject == "b")
    assert {subject: life[0] for subject, life in lives(second).items()} == {
        "a": "persisting",
        "b": "resolved",
        "c": "persisting",
    }
    assert seen_open(second, "2026-11-02")["subject"].tolist() == ["a"]


def test_what_needs_nobody_and_no_night_can_examine_is_kept_for_a_quarter():
    frame = with_ageing(broken("a", "b"), None, "2026-01-01", everything)
    frame["severity"] = frame["severity"].mask(frame["subject"] == "b", "info")
    assert set(lives(with_ageing(broken(), frame, "2026-04-03", nothing))) == {"a", "b"}
    assert set(lives(with_ageing(broken(), frame, "2026-04-04", nothing))) == {"a"}


@dataclass
class _Known:
    """What a reader of all nights knows of one finding."""

    first_seen: str
    last_seen: str
    nights_open: int
    is_open: bool = True


SUBJECTS = "abcd"
night_plan = st.tuples(st.sets(st.sampled_from(SUBJECTS)), st.sets(st.sampled_from(SUBJECTS)))


@examples(40)
@given(st.lists(night_plan, min_size=1, max_size=7))
def test_in_any_sequence_of_nights_nothing_disappears_unresolved(plans: list[tuple[set[str], set[str]]]):
    known: dict[str, _Known] = {}
    ids: dict[str, str] = {}
    nights: list[pd.DataFrame] = []
    for number, (present, examined) in enumerate(plans):
        key = f"2026-11-{number + 1:02d}"
        tonight, previous = broken(*sorted(present)), known_before(nights)

        def was_examined(kind: str, organization: str | None, subject: str, text: str, of: set[str] = examined) -> bool:
            return subject in of

        frame = with_ageing(tonight, previous, key, was_examined)
        pd.testing.assert_frame_equal(frame, with_ageing(tonight, previous, key, was_examined))  # run again: the same
        for subject, finding_id in zip(frame["subject"], frame["finding_id"], strict=True):
            assert ids.setdefault(subject, finding_id) == finding_id

        expected: dict[str, tuple[str, str, str, int]] = {}
        for subject in SUBJECTS:
            before = known.get(subject)
            if subject in present:
                state = "new" if before is None else "persisting" if before.is_open else "reopened"
                now = known[subject] = before or _Known(key, key, 0)
                now.last_seen, now.nights_open, now.is_open = key, now.nights_open + 1, True
            elif before is None or not before.is_open:
                continue
            elif subject in examined:
                state, now = "resolved", before
                now.is_open = False
            else:
                state, now = "persisting", before
                now.nights_open += 1
            expected[subject] = (state, now.first_seen, now.last_seen, now.nights_open)
        assert lives(frame) == expected
        nights.append(frame)
