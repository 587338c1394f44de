"""An accepted finding is listed and not red, until it changes; then it stays back until it is accepted anew."""

import pandas as pd
import pytest

from billing_dq.reconcile.findings.acceptance import with_acceptances
from billing_dq.reconcile.findings.standing import is_accepted
from billing_dq.tables import ACCEPTANCES, FINDINGS

FINDING = {"finding_id": "f1", "kind": "ledger_violation", "severity": "error", "units": -300.0, "usd_cents": -30}
NIGHTS = ("2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24")


def findings(night: str, **more: object) -> pd.DataFrame:
    """One finding that a night saw, known before."""
    row = {"cause": "zero_amount", "subject": "e1", "explanation": "because", "runbook": "x", "state": "persisting"}
    row |= {"first_seen": NIGHTS[0], "last_seen": night, "nights_open": 2}
    return FINDINGS.from_rows([{**FINDING, **row, **more}])


def acceptance(night: str = NIGHTS[0], **more: object) -> pd.DataFrame:
    decision = {"night": night, "accepted": True, "by": "anna", "why": "known", "until": None, "at": None}
    row = {**FINDING, "cause": "zero_amount", **decision, "at": pd.Timestamp("2026-11-20T09:00Z"), **more}
    return ACCEPTANCES.from_rows([row])


def accepted(tonight: pd.DataFrame, previous: pd.DataFrame | None, records: pd.DataFrame, night: str) -> bool:
    return bool(is_accepted(with_acceptances(tonight, previous, records, night)).item())


def course(records: pd.DataFrame, *changes: dict[str, object]) -> list[bool]:
    """On which of the nights after the first the finding is accepted; one change a night."""
    previous, found = findings(NIGHTS[0]), []
    for night, change in zip(NIGHTS[1:], changes, strict=False):
        previous = with_acceptances(findings(night, **change), previous, records, night)
        found.append(bool(is_accepted(previous).item()))
    return found


def test_an_accepted_finding_tells_who_accepted_it_why_and_until_when():
    tonight = with_acceptances(findings(NIGHTS[1]), findings(NIGHTS[0]), acceptance(until=NIGHTS[3]), NIGHTS[1])
    assert tonight[["accepted_by", "accepted_why", "accepted_until"]].to_numpy().tolist() == [
        ["anna", "known", NIGHTS[3]]
    ]
    assert tonight["severity"].tolist() == ["error"]


def test_nothing_is_accepted_without_a_record():
    for records in (ACCEPTANCES.empty(), acceptance(finding_id="f2")):
        tonight = with_acceptances(findings(NIGHTS[1]), None, records, NIGHTS[1])
        assert tonight[["accepted_by", "accepted_why", "accepted_until"]].isna().all(axis=None)
    assert with_acceptances(FINDINGS.empty(), None, acceptance(), NIGHTS[1]).empty


def test_an_acceptance_holds_from_night_to_night_while_nothing_changes_or_the_finding_shrinks():
    assert course(acceptance(), {}, {}, {"units": -299.0, "usd_cents": -29}, {"severity": "warning"}) == [True] * 4
    assert course(acceptance(units=0.0, usd_cents=0), {"units": 0.0, "usd_cents": 0}) == [True]
    assert course(acceptance(cause=None), {"cause": None}) == [True]


@pytest.mark.parametrize(
    "change",
    [
        {"units": -300.01},
        {"units": 300.0},
        {"usd_cents": -31},
        {"usd_cents": 30},
        {"severity": "critical"},
        {"cause": "sign"},
        {"cause": None},
        {"state": "reopened"},
        {"state": "new"},
    ],
)
def test_a_finding_that_changed_comes_back_and_stays_back(change: dict[str, object]):
    assert course(acceptance(), {}, change, {}) == [True, False, False]


def test_a_finding_that_came_back_can_be_accepted_anew():
    grown = {"units": -500.0, "usd_cents": -50}
    records = pd.concat([acceptance(), acceptance(NIGHTS[2], **grown)])
    assert course(records, {}, grown, grown) == [True, True, True]
    assert course(records.iloc[:1], {}, grown, grown) == [True, False, False]


def test_an_acceptance_is_over_after_its_last_night():
    assert course(acceptance(until=NIGHTS[2]), {}, {}, {}) == [True, True, False]


def test_what_came_back_before_it_was_accepted_again_does_not_matter():
    records = pd.concat([acceptance(), acceptance(NIGHTS[2])])
    assert course(records, {"units": -999.0}, {}, {}) == [False, True, True]


def test_an_acceptance_can_be_taken_back_and_given_again():
    back = acceptance(NIGHTS[2], accepted=False)
    assert course(pd.concat([acceptance(), back]), {}, {}, {}) == [True, False, False]
    assert course(pd.concat([acceptance(), back, acceptance(NIGHTS[3])]), {}, {}, {}) == [True, False, True]


def test_an_earlier_night_that_is_run_again_knows_nothing_of_later_acceptances():
    assert not accepted(findings(NIGHTS[0]), None, acceptance(NIGHTS[1]), NIGHTS[0])


def test_what_was_accepted_on_a_stored_night_is_shown_on_it():
    for state in ("new", "persisting", "reopened"):
        stored = findings(NIGHTS[0], state=state)
        assert accepted(stored, stored, acceptance(), NIGHTS[0])
    resolved = findings(NIGHTS[0], state="resolved")
    assert not accepted(resolved, resolved, acceptance(), NIGHTS[0])


def test_a_stored_night_keeps_the_acceptances_that_it_was_stored_with():
    stored = with_acceptances(findings(NIGHTS[1]), findings(NIGHTS[0]), acceptance(), NIGHTS[1])
    assert accepted(stored, stored, acceptance(), NIGHTS[1])
    unaccepted = findings(NIGHTS[1])
    assert not accepted(unaccepted, unaccepted, acceptance(), NIGHTS[1])


def test_a_finding_that_a_night_could_not_examine_stays_accepted():
    first = findings(NIGHTS[0])
    carried = with_acceptances(first, first, acceptance(NIGHTS[1]), NIGHTS[2])
    assert is_accepted(carried).item()
    assert accepted(carried, carried, acceptance(NIGHTS[1]), NIGHTS[3])


def test_findings_are_told_apart_whatever_their_order_and_index():
    tonight = pd.concat([findings(NIGHTS[1], finding_id=f"f{n}") for n in (3, 1, 2)])
    before = pd.concat([findings(NIGHTS[0], finding_id=f"f{n}") for n in (1, 2, 3)])
    records = pd.concat([acceptance(finding_id="f3"), acceptance(finding_id="f2", accepted=False)])
    judged = with_acceptances(tonight, before, records, NIGHTS[1])
    assert judged.loc[is_accepted(judged), "finding_id"].tolist() == ["f3"]
