"""Which nights are partitions: those that were read, and tonight."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing_dq.defs.nights import NIGHT_BEFORE, nights_of
from billing_dq.settings import Settings

TONIGHT = datetime.now(UTC).date().isoformat()


def settings_of(home: Path, *names: str) -> Settings:
    """Settings of a home with these files of readings."""
    (home / "lake" / "snapshot_facts").mkdir(parents=True)
    for name in names:
        (home / "lake" / "snapshot_facts" / name).touch()
    return Settings.model_validate({"home": str(home), "first_night": "2026-11-02"})


def test_without_a_stored_night_tonight_is_the_only_one(tmp_path: Path) -> None:
    assert nights_of(Settings(home=str(tmp_path))).get_partition_keys() == [TONIGHT]


def test_days_without_a_night_and_nights_before_the_first_are_none(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "2026-11-01.json", "2026-11-03.json", "2026-11-05.json", ".2026-11-04.json.1.tmp")
    assert nights_of(settings).get_partition_keys() == ["2026-11-03", "2026-11-05", TONIGHT]
    assert nights_of(settings, "2026-11-04").get_partition_keys()[:3] == ["2026-11-03", "2026-11-04", "2026-11-05"]


@pytest.mark.parametrize(("night", "before"), [("2026-11-05", ["2026-11-03"]), ("2026-11-03", [])])
def test_the_night_before_is_the_newest_earlier_one(tmp_path: Path, night: str, before: list[str]) -> None:
    nights = nights_of(settings_of(tmp_path, "2026-11-03.json", "2026-11-05.json"))
    subset = nights.subset_with_partition_keys([night])
    mapped = NIGHT_BEFORE.get_upstream_mapped_partitions_result_for_partitions(subset, nights, nights)
    assert list(mapped.partitions_subset.get_partition_keys()) == before
