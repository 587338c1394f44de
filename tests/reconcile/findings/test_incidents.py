"""Debits of many organizations that were lost in the same minutes are one incident."""

from datetime import UTC, datetime, timedelta

import pandas as pd

from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.reconcile.findings.incidents import INCIDENT_COLUMNS, incident_sentences, incidents
from billing_dq.reconcile.findings.night_findings import plain_findings
from billing_dq.tables import METER_EXTRAS_EVIDENCE
from tests.support.finding_rows import deltas, week
from tests.support.ledger_rows import NIGHT

NOON = datetime(2026, 11, 12, 12, tzinfo=UTC)


def lost(organization: int, at: datetime | None, units: float = 10.0, **more: object) -> dict[str, object]:
    """A debit that an organization lost, of a history begun at an instant."""
    ref = None if at is None else f"{int(at.timestamp()):08x}{organization:016x}:verify"
    row = {
        "organization_id": f"{organization:024x}",
        "week_key": "2026-W46",
        "cause": "missing_debit",
        "rule": "certain_gap",
        "confidence": "proved",
        "ref_id": ref,
        "entry_id": None,
        "units": units,
    }
    return row | more


def evidence(*rows: dict[str, object]) -> pd.DataFrame:
    return METER_EXTRAS_EVIDENCE.from_rows(rows)


def outage(organizations: int, at: datetime = NOON, apart: timedelta = timedelta(minutes=1)) -> list[dict[str, object]]:
    return [lost(number, at + number * apart) for number in range(organizations)]


def test_five_organizations_in_the_same_minutes_are_one_incident() -> None:
    found = incidents(evidence(*outage(5), lost(1, NOON, 2.5)))
    assert list(found.columns) == list(INCIDENT_COLUMNS)
    assert found.to_dict("records") == [
        {"started": NOON, "ended": NOON + timedelta(minutes=4), "organizations": 5, "units": 52.5}
    ]


def test_four_organizations_are_no_incident_however_many_debits_they_lost() -> None:
    rows = evidence(*outage(4), *outage(4, NOON + timedelta(seconds=1)))
    assert incidents(rows).empty
    assert incident_sentences(rows) == {}


def test_debits_exactly_five_minutes_apart_belong_together_and_a_second_more_parts_them() -> None:
    assert len(incidents(evidence(*outage(5, apart=timedelta(minutes=5))))) == 1
    assert incidents(evidence(*outage(5, apart=timedelta(minutes=5, seconds=1)))).empty


def test_two_incidents_are_told_apart_oldest_first_whatever_the_order_of_the_evidence() -> None:
    later = NOON + timedelta(hours=1)
    rows = [*outage(6, later), *outage(5)]
    assert incidents(evidence(*rows))["started"].tolist() == [NOON, later]
    assert incidents(evidence(*reversed(rows))).equals(incidents(evidence(*rows)))


def test_only_lost_debits_whose_time_is_known_count() -> None:
    rows = outage(4)
    others = [lost(9, None), lost(9, NOON, cause="late_debit"), lost(9, NOON, ref_id="no-object-id:verify")]
    assert incidents(evidence(*rows, *others)).empty


def test_each_week_of_an_incident_says_so_once() -> None:
    elsewhere = lost(7, NOON + timedelta(days=1))
    said = incident_sentences(evidence(*outage(5), lost(1, NOON), elsewhere))
    assert said == {
        (f"{number:024x}", "2026-W46"): "One incident: 5 organizations lost debits of steps begun from 2026-11-12 12:00"
        " to 12:04 UTC."
        for number in range(5)
    }


def test_a_week_that_is_part_of_two_incidents_tells_the_first() -> None:
    said = incident_sentences(evidence(*outage(6, NOON + timedelta(hours=1)), *outage(5)))
    assert [" 12:00 to 12:04 " in said[f"{number:024x}", "2026-W46"] for number in range(6)] == [True] * 5 + [False]


def test_the_finding_of_a_week_tells_the_incident_that_it_is_part_of() -> None:
    weeks = [
        week("unexplained", organization_id=f"{number:024x}", week_key=key)
        for number, key in ((1, "2026-W46"), (9, "2026-W46"), (1, "2026-W45"))
    ]
    inputs = FindingInputs(deltas=deltas(*weeks), evidence=evidence(*outage(5), lost(9, NOON + timedelta(hours=9))))
    said = plain_findings(inputs, NIGHT, 1000.0, "").set_index(["organization_id", "subject"])["explanation"]
    assert said[f"{1:024x}", "2026-W46"].startswith("because One incident: 5 organizations")
    assert said[f"{9:024x}", "2026-W46"] == said[f"{1:024x}", "2026-W45"] == "because"


def test_without_evidence_there_is_no_incident() -> None:
    assert incidents(evidence()).empty
    assert incident_sentences(evidence()) == {}
