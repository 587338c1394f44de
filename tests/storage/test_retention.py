"""Old evidence goes, results stay, and who asks for the evidence is told."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from billing_dq.errors import SourceError
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import EvidenceRemovedRecord
from billing_dq.storage.retention import EVIDENCE, remove_old_evidence
from billing_dq.tables import (
    FINDINGS,
    FOLLOWED_ENTRIES,
    LEDGER_ENTRIES,
    STRIPE_DISPUTES,
    TABLES,
    UNREADABLE_KEYS,
    WEEKLY_USAGE,
)
from tests.support.snapshot_facts import snapshot_facts
from tests.support.stored_nights import store, store_record

FIRST = datetime.fromisoformat("2026-09-01T03:10:00+00:00")
NIGHTS = [(FIRST + timedelta(days=day)).date().isoformat() for day in range(80)]


def stored_nights(home: Path) -> Lake:
    for table in (FINDINGS, WEEKLY_USAGE, LEDGER_ENTRIES, FOLLOWED_ENTRIES, UNREADABLE_KEYS):
        for night in NIGHTS:
            store(home, table.name, night, table.empty())
    facts = snapshot_facts(FIRST + timedelta(days=79), topology="Single")
    store_record(home, facts, NIGHTS[-1])
    return Lake(str(home))


def test_without_the_setting_everything_stays(tmp_path: Path) -> None:
    lake = stored_nights(tmp_path)
    assert remove_old_evidence(lake, NIGHTS[-1], None) == {}
    assert lake.nights(WEEKLY_USAGE) == NIGHTS


def test_old_evidence_goes_and_results_and_what_could_not_be_read_stay(tmp_path: Path) -> None:
    lake = stored_nights(tmp_path)
    removed = remove_old_evidence(lake, NIGHTS[-1], 40)
    assert list(removed) == NIGHTS[:40]
    assert set(removed[NIGHTS[0]]) == {"weekly_usage", "ledger_entries", "followed_entries"}
    for table in (WEEKLY_USAGE, LEDGER_ENTRIES, FOLLOWED_ENTRIES):
        assert lake.nights(table) == NIGHTS[40:]
    for table in (FINDINGS, UNREADABLE_KEYS):
        assert lake.nights(table) == NIGHTS
    assert remove_old_evidence(lake, NIGHTS[-1], 40) == {}


def test_who_asks_for_removed_evidence_is_told_that_it_was_removed(tmp_path: Path) -> None:
    lake = stored_nights(tmp_path)
    remove_old_evidence(lake, NIGHTS[-1], 40)
    with pytest.raises(SourceError, match=r"removed by retention \(evidence_nights = 40.*cannot be made again"):
        lake.require(WEEKLY_USAGE, NIGHTS[0])
    assert EvidenceRemovedRecord.of(lake.home, NIGHTS[40]) is None


def test_the_nights_inside_the_weeks_of_the_night_stay_whatever_the_setting(tmp_path: Path) -> None:
    lake = stored_nights(tmp_path)
    remove_old_evidence(lake, NIGHTS[-1], 1)
    # the night is of 2026-W47, and covers the three weeks before it
    assert lake.nights(WEEKLY_USAGE)[0] == "2026-10-26"


def test_the_newest_night_of_a_table_stays_for_the_next_to_look_at(tmp_path: Path) -> None:
    lake = stored_nights(tmp_path)
    for night in NIGHTS[:2]:
        store(tmp_path, STRIPE_DISPUTES.name, night, STRIPE_DISPUTES.empty())
    remove_old_evidence(lake, NIGHTS[-1], 40)
    assert lake.nights(STRIPE_DISPUTES) == NIGHTS[1:2]


def test_no_result_is_evidence() -> None:
    kept = set(TABLES) - {table.name for table in EVIDENCE}
    assert {"findings", "nightly_report", "meter_extras_deltas", "dispute_positions", "quarantined_documents"} <= kept
