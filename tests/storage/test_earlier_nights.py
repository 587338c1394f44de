"""A night is concluded after the nights before it, and is not judged by one whose files are gone or damaged."""

from pathlib import Path

import pytest

from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.storage.earlier_nights import (
    is_read,
    leave_out,
    require_nights_before,
    require_sound_nights_before,
    unfinished_before,
)
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import finish
from billing_dq.storage.records import EvidenceRemovedRecord
from billing_dq.tables import FINDINGS, TABLES, WEEKLY_USAGE
from billing_dq.tables.sources import OF_MONGODB
from tests.support.stored_night import store
from tests.support.stored_nights import store as store_table

EARLIER, NIGHT = "2026-11-20", "2026-11-21"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """One whole night."""
    store(tmp_path, EARLIER, FINDINGS.empty())
    for name in (*OF_MONGODB, "quarantined_documents", "unreadable_keys"):
        store_table(tmp_path, name, EARLIER, TABLES[name].empty())
    lake = Lake(str(tmp_path))
    finish(lake, EARLIER, Settings(home=lake.home))
    return lake


def test_after_whole_nights_a_night_is_concluded(lake: Lake) -> None:
    require_nights_before(lake, NIGHT)
    assert unfinished_before(lake, NIGHT) == []


def test_a_night_that_was_read_and_not_concluded_is_waited_for(lake: Lake) -> None:
    lake.begin(EARLIER)
    assert unfinished_before(lake, NIGHT) == [EARLIER]
    with pytest.raises(SourceError) as refused:
        require_nights_before(lake, NIGHT)
    assert str(refused.value) == (
        "the night of 2026-11-21 is not concluded: the night of 2026-11-20 before it was read and not concluded; "
        "finish that first (`billing-dq nightly --as-of 2026-11-20`, or the job conclude_night), or go on without it: "
        "`billing-dq nightly --without-night 2026-11-20`"
    )
    require_nights_before(lake, EARLIER)
    require_sound_nights_before(lake, NIGHT)


def test_a_night_that_was_not_read_to_its_end_is_no_night_and_is_not_waited_for(lake: Lake) -> None:
    lake.begin(EARLIER)
    (lake.root / "organizations" / f"{EARLIER}.parquet").unlink()
    assert not is_read(lake, EARLIER)
    require_nights_before(lake, NIGHT)


def test_a_night_that_is_left_out_is_hidden_and_not_waited_for_until_it_is_concluded(lake: Lake) -> None:
    lake.begin(EARLIER)
    leave_out(lake, EARLIER)
    lake.begin(EARLIER)
    require_nights_before(lake, NIGHT)
    assert lake.nights(FINDINGS) == []
    assert lake.nights_of_evidence(WEEKLY_USAGE) == []
    finish(lake, EARLIER, Settings(home=lake.home))
    assert lake.nights(FINDINGS) == lake.nights_of_evidence(WEEKLY_USAGE) == [EARLIER]


def test_a_night_that_is_not_stored_cannot_be_left_out(lake: Lake) -> None:
    with pytest.raises(SourceError, match="the night of 2026-11-19 is not stored"):
        leave_out(lake, "2026-11-19")


@pytest.mark.parametrize("harm", ["gone", "damaged", "cut"])
def test_a_night_whose_findings_are_gone_or_damaged_is_a_refusal_with_both_ways_on(lake: Lake, harm: str) -> None:
    path = Path(str(lake.root)) / "findings" / f"{EARLIER}.parquet"
    content = bytearray(path.read_bytes())
    if harm == "gone":
        path.unlink()
    elif harm == "cut":
        path.write_bytes(content[:-1])
    else:
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    with pytest.raises(SourceError) as refused:
        require_nights_before(lake, NIGHT)
    assert str(refused.value) == (
        f"the night of 2026-11-21 is not concluded: findings/2026-11-20.parquet is "
        f"{'gone' if harm == 'gone' else 'damaged'}, and the manifest of 2026-11-20 lists it; restore it from a backup "
        "(`billing-dq doctor --night 2026-11-20` names all that is wrong), or go on without that night: "
        "`billing-dq nightly --without-night 2026-11-20`"
    )
    leave_out(lake, EARLIER)
    require_nights_before(lake, NIGHT)


def test_evidence_that_retention_removed_is_not_missed_and_evidence_that_is_gone_is(lake: Lake) -> None:
    (lake.root / "weekly_usage" / f"{EARLIER}.parquet").unlink()
    with pytest.raises(SourceError, match=r"weekly_usage/2026-11-20\.parquet is gone"):
        require_sound_nights_before(lake, NIGHT)
    record = EvidenceRemovedRecord(by_night=NIGHT, evidence_nights=1, tables=("weekly_usage",))
    path = record.path(lake.home, EARLIER)
    path.parent.mkdir()
    path.write_text(record.model_dump_json(), encoding="utf-8")
    require_sound_nights_before(lake, NIGHT)
