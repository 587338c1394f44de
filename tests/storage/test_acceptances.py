"""The file of acceptances: append only, whole after a crash, safe among processes."""

import multiprocessing
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from billing_dq.errors import SourceError
from billing_dq.storage.acceptances import AcceptanceLog
from billing_dq.tables import ACCEPTANCES


def record(finding: str = "f1", **more: object) -> pd.DataFrame:
    row = {"finding_id": finding, "night": "2026-11-21", "accepted": True, "kind": "ledger_violation"}
    row |= {"severity": "error", "units": -300.25, "usd_cents": -30, "cause": None, "by": "anna", "why": "known, é"}
    return ACCEPTANCES.from_rows([{**row, "until": "2026-12-31", "at": pd.Timestamp("2026-11-21T09:00:00.5Z"), **more}])


def test_records_come_back_as_they_were_given_in_their_order(tmp_path: Path) -> None:
    log = AcceptanceLog(str(tmp_path / "home"))
    assert log.read().frame.empty
    given = [record(), record("f2", cause="sign", until=None, units=0.1 + 0.2), record(accepted=False)]
    for one in given:
        log.append(one)
    reading = log.read()
    assert reading.torn_lines == 0
    assert_frame_equal(reading.frame, pd.concat(given, ignore_index=True))


@pytest.mark.parametrize("kept", [1, 20, 120])
def test_a_torn_last_line_is_left_aside_and_the_next_record_follows_it(tmp_path: Path, kept: int) -> None:
    log = AcceptanceLog(str(tmp_path))
    log.append(record())
    path = tmp_path / "acceptances.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:kept])
    assert (log.read().torn_lines, len(log.read().frame)) == (1, 1)
    log.append(record("f2"))
    reading = log.read()
    assert (reading.torn_lines, reading.frame["finding_id"].tolist()) == (1, ["f1", "f2"])
    assert path.read_bytes().startswith(whole + whole[:kept])


def test_a_last_line_that_lacks_only_its_end_is_whole(tmp_path: Path) -> None:
    log = AcceptanceLog(str(tmp_path))
    log.append(record())
    path = tmp_path / "acceptances.jsonl"
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    log.append(record("f2"))
    assert log.read().frame["finding_id"].tolist() == ["f1", "f2"]


@pytest.mark.parametrize("line", [b"5", b"{}", b'{"finding_id": "f1"}', b'{"at": "yesterday"}'])
def test_a_line_that_nobody_tore_and_that_is_no_acceptance_is_refused_with_its_number(
    tmp_path: Path, line: bytes
) -> None:
    log = AcceptanceLog(str(tmp_path))
    log.append(record())
    with (tmp_path / "acceptances.jsonl").open("ab") as file:
        file.write(line + b"\n")
    with pytest.raises(SourceError, match=r"line 2 of .* is no acceptance"):
        log.read()


def _append_many(home: str, name: str) -> None:
    for number in range(25):
        AcceptanceLog(home).append(record(f"{name}{number}"))


def test_writers_in_several_processes_lose_and_tear_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_append_many, args=(str(tmp_path), name)) for name in "abc"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    reading = AcceptanceLog(str(tmp_path)).read()
    assert reading.torn_lines == 0
    assert set(reading.frame["finding_id"]) == {f"{name}{number}" for name in "abc" for number in range(25)}


def test_a_home_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match="cannot be written"):
        AcceptanceLog(str(tmp_path / "file")).append(record())


def test_in_an_object_store_each_record_is_an_object_of_its_own_and_they_are_read_in_their_order() -> None:
    log = AcceptanceLog("memory://acceptances-of-a-test")
    assert log.read().frame.empty
    given = [record(at=pd.Timestamp(f"2026-11-21T09:00:0{second}Z")) for second in (1, 2, 3)]
    for one in reversed(given):
        log.append(one)
    assert_frame_equal(log.read().frame, pd.concat(given, ignore_index=True))
    assert len(list(log.path.iterdir())) == 3
