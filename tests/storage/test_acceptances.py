"""The acceptances: they come back as they were given, and writers in several processes lose nothing."""

import multiprocessing
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from billing_dq.errors import SourceError
from billing_dq.storage.acceptances import AcceptanceLog
from billing_dq.storage.home_database import writing
from billing_dq.tables import ACCEPTANCES


def record(finding: str = "f1", **more: object) -> pd.DataFrame:
    row = {"finding_id": finding, "night": "2026-11-21", "accepted": True, "kind": "ledger_violation"}
    row |= {"severity": "error", "units": -300.25, "usd_cents": -30, "cause": None, "by": "anna", "why": "known, é"}
    return ACCEPTANCES.from_rows([{**row, "until": "2026-12-31", "at": pd.Timestamp("2026-11-21T09:00:00.5Z"), **more}])


def test_records_come_back_as_they_were_given_in_their_order(tmp_path: Path) -> None:
    log = AcceptanceLog(str(tmp_path / "home"))
    assert log.read().empty
    given = [record(), record("f2", cause="sign", until=None, units=0.1 + 0.2), record(accepted=False)]
    for one in given:
        log.append(one)
    assert_frame_equal(log.read(), pd.concat(given, ignore_index=True))


@pytest.mark.parametrize("text", ["5", "{}", '{"finding_id": "f1"}', '{"at": "yesterday"}', "no JSON"])
def test_a_record_that_is_no_acceptance_is_refused(tmp_path: Path, text: str) -> None:
    log = AcceptanceLog(str(tmp_path))
    log.append(record())
    with writing(Path(str(log.path))) as database:
        database.execute("INSERT INTO acceptances (record) VALUES (?)", (text,))
    with pytest.raises(SourceError, match=r"a record of .* is no acceptance"):
        log.read()


def _append_many(home: str, name: str) -> None:
    for number in range(25):
        AcceptanceLog(home).append(record(f"{name}{number}"))


def test_writers_in_several_processes_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_many, args=(str(tmp_path), name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert set(AcceptanceLog(str(tmp_path)).read()["finding_id"]) == {
        f"{name}{number}" for name in "abc" for number in range(25)
    }


def test_a_home_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot be written"):
        AcceptanceLog(str(tmp_path / "file")).append(record())


def test_in_an_object_store_each_record_is_an_object_of_its_own_and_they_are_read_in_their_order() -> None:
    log = AcceptanceLog("memory://acceptances-of-a-test")
    assert log.read().empty
    given = [record(at=pd.Timestamp(f"2026-11-21T09:00:0{second}Z")) for second in (1, 2, 3)]
    for one in reversed(given):
        log.append(one)
    assert_frame_equal(log.read(), pd.concat(given, ignore_index=True))
    assert len(list(log.path.iterdir())) == 3
