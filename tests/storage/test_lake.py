"""Which nights are stored, and what is said where one is not."""

from pathlib import Path

import pytest
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import TableWriter
from billing_dq.tables import FINDINGS


def store(home: Path, night: str) -> None:
    path = home / "lake" / FINDINGS.name / f"{night}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with TableWriter(FINDINGS, UPath(path)) as writer:
        writer.write(to_arrow(FINDINGS, FINDINGS.empty()))


def test_the_newest_night_is_chosen_where_none_is_asked_for(tmp_path: Path) -> None:
    for night in ("2026-11-02", "2026-11-01"):
        store(tmp_path, night)
    assert Lake(str(tmp_path)).choose(FINDINGS, None)[0] == "2026-11-02"
    assert Lake(str(tmp_path)).choose(FINDINGS, "2026-11-01")[0] == "2026-11-01"


def test_a_night_that_is_not_stored_is_refused_with_those_that_are(tmp_path: Path) -> None:
    store(tmp_path, "2026-11-01")
    for ask in (Lake(str(tmp_path)).require, Lake(str(tmp_path)).choose):
        with pytest.raises(SourceError, match=r"for the night of 2026-12-24 .*stored nights: 2026-11-01"):
            ask(FINDINGS, "2026-12-24")


def test_without_any_night_the_way_to_one_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"for any night .*run `billing-dq nightly` first"):
        Lake(str(tmp_path)).choose(FINDINGS, None)


@pytest.mark.parametrize(
    "night", ["../../../etc/passwd", "/etc/passwd", "2026-11-01/../2026-11-01", "20261101", "x", ""]
)
def test_only_a_date_becomes_a_part_of_a_path(tmp_path: Path, night: str) -> None:
    store(tmp_path, "2026-11-01")
    with pytest.raises(SourceError, match="is no night: it must be a date such as 2026-11-21"):
        Lake(str(tmp_path)).choose(FINDINGS, night)
