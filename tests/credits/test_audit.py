"""The audit log: chained, whole after a crash at any byte, and changed by nobody unnoticed."""

import json
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from billing_dq.credits.audit import AuditError, AuditLog, Subject, credits_directory
from billing_dq.credits.guard import guard_file
from billing_dq.credits.parking import OnRecord
from billing_dq.errors import SettingsError

ABOUT = Subject("du_1", "6aba68021f1483412b0fa60e", "0" * 24)


def filled(directory: Path, records: int = 3) -> AuditLog:
    log = AuditLog(directory / "credits")
    for number in range(records):
        log.append("intent", ABOUT, "anna", "because", {"entry_id": f"{number:024d}", "units": 1.5})
    return log


class Crash:
    """What a crash in the middle of a record leaves: some of its bytes, and the guard of the record before."""

    def __init__(self, directory: Path, records: int = 3) -> None:
        self.log = filled(directory, records - 1)
        self._guard = guard_file(self.log.directory)
        self._before = self._guard.read_bytes() if records > 1 else None
        if records > 1:
            self.log.append("intent", ABOUT, "anna", "because", {"entry_id": f"{records:024d}"})
        else:
            self.log = filled(directory, 1)
        self.whole = self.log.path.read_bytes()

    def leaves(self, content: bytes) -> None:
        self.log.path.write_bytes(content)
        if self._before is None:
            self._guard.unlink(missing_ok=True)
        else:
            self._guard.write_bytes(self._before)


def test_every_record_holds_the_hash_of_the_one_before(tmp_path: Path) -> None:
    records = filled(tmp_path).read().records
    assert [record.kind for record in records] == ["started", "intent", "intent", "intent"]
    assert [record.previous for record in records[1:]] == [record.hash for record in records[:-1]]
    assert [record.number for record in records] == [0, 1, 2, 3]


def test_no_log_has_no_records(tmp_path: Path) -> None:
    assert AuditLog(tmp_path).read().records == ()


def test_a_crash_at_any_byte_of_a_record_is_recovered_and_the_torn_bytes_stay(tmp_path: Path) -> None:
    crash = Crash(tmp_path)
    log, whole = crash.log, crash.whole
    start = whole[:-1].rfind(b"\n") + 1
    for cut in range(start + 1, len(whole)):
        crash.leaves(whole[:cut])
        before = log.read()
        assert before.torn_bytes == (cut - start if cut < len(whole) - 1 else 0)
        log.append("written", ABOUT, "anna")
        after = log.read()
        assert after.torn_bytes == 0
        assert log.path.read_bytes().startswith(whole[:cut])
        expected = ["recovered", "written"] if before.torn_bytes else ["intent", "written"]
        assert [record.kind for record in after.records[-2:]] == expected


def test_a_crash_during_the_recovery_is_recovered(tmp_path: Path) -> None:
    crash = Crash(tmp_path)
    log, whole = crash.log, crash.whole
    crash.leaves(whole[:-20])
    log.append("written", ABOUT, "anna")
    recovered = log.path.read_bytes()
    for cut in range(len(whole) - 19, len(recovered)):
        crash.leaves(recovered[:cut])
        log.append("written", ABOUT, "anna")
        assert log.read().records[-1].kind == "written"
        assert log.path.read_bytes().startswith(recovered[:cut])


def test_a_torn_first_line_is_recovered(tmp_path: Path) -> None:
    crash = Crash(tmp_path, 1)
    crash.leaves(crash.whole[:40])
    crash.log.append("written", ABOUT, "anna")
    assert [record.kind for record in crash.log.read().records] == ["started", "recovered", "written"]


def lose_the_file(log: AuditLog) -> None:
    log.path.unlink()


def lose_the_folder(log: AuditLog) -> None:
    shutil.rmtree(log.directory)


def cut_the_end(log: AuditLog) -> None:
    log.path.write_bytes(b"".join(log.path.read_bytes().splitlines(keepends=True)[:-1]))


def garble_the_last_line(log: AuditLog) -> None:
    log.path.write_bytes(log.path.read_bytes()[:-2] + b"\xff\n")


def flip_the_last_line(log: AuditLog) -> None:
    content = log.path.read_bytes()
    log.path.write_bytes(content[:-1] + b"]" + content[-1:])


LOSSES = [lose_the_file, lose_the_folder, cut_the_end, garble_the_last_line, flip_the_last_line]


@pytest.mark.parametrize("lose", LOSSES)
def test_a_log_that_lost_its_end_is_neither_read_nor_written_until_a_person_has_said_so(
    tmp_path: Path, lose: Callable[[AuditLog], None]
) -> None:
    log = filled(tmp_path)
    log.append("parked", ABOUT, "anna", "looked into")
    lose(log)
    for use in (log.read, lambda: log.append("intent", ABOUT, "anna")):
        with pytest.raises(AuditError, match=r"has lost its end.*--acknowledge log"):
            use()
    log.begin_anew([], "bert", "the disk was lost in November")
    assert ABOUT.organization_id in OnRecord.of(log.read()).parked  # whatever became of its record
    log.append("unparked", ABOUT, "anna", "looked into")
    assert not OnRecord.of(log.read()).parked


def test_a_log_whose_chain_is_broken_is_put_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    log = filled(tmp_path)
    log.path.write_bytes(log.path.read_bytes().replace(b"0001", b"0009"))
    with pytest.raises(AuditError, match=r"was changed.*--acknowledge log"):
        log.read()
    aside = log.begin_anew([], "bert", "somebody changed it")
    assert aside is not None
    assert aside.exists()
    assert [record.kind for record in log.read().records] == ["started", "acknowledged"]


def test_a_log_of_an_earlier_release_has_no_guard_and_is_gone_on_with(tmp_path: Path) -> None:
    log = filled(tmp_path)
    guard_file(log.directory).unlink()
    assert len(log.read().records) == 4
    log.append("parked", ABOUT, "anna")
    assert len(log.read().records) == 5


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"[" * 100_000, b"\xff"])
def test_a_damaged_guard_is_one_line(tmp_path: Path, content: bytes) -> None:
    log = filled(tmp_path)
    guard_file(log.directory).write_bytes(content)
    with pytest.raises(AuditError, match="the guard of the audit log is damaged"):
        log.read()


@pytest.mark.parametrize("what", ["folder", "pipe"])
def test_what_is_no_file_is_one_line_and_holds_nobody_up(tmp_path: Path, what: str) -> None:
    log = AuditLog(tmp_path / "credits")
    log.directory.mkdir()
    log.path.mkdir() if what == "folder" else os.mkfifo(log.path)
    for use in (log.read, lambda: log.append("intent", ABOUT, "anna")):
        with pytest.raises(AuditError, match="is no file"):
            use()


def test_what_is_nested_without_end_is_one_line(tmp_path: Path) -> None:
    log = filled(tmp_path)
    with log.path.open("ab") as file:
        file.write(b'{"a":' * 200_000 + b"\n")
    with pytest.raises(AuditError, match="nested without end"):
        log.read()


@pytest.mark.parametrize("line", [0, 1, 3])
def test_a_changed_record_is_noticed(tmp_path: Path, line: int) -> None:
    log = filled(tmp_path)
    lines = log.path.read_bytes().splitlines(keepends=True)
    record = json.loads(lines[line])
    record["actor"] = "mallory"
    lines[line] = json.dumps(record).encode() + b"\n"
    log.path.write_bytes(b"".join(lines))
    with pytest.raises(AuditError, match=f"line {line + 1} of the audit log was changed"):
        log.read()


def test_nothing_is_chained_to_a_changed_record(tmp_path: Path) -> None:
    log = filled(tmp_path)
    log.path.write_bytes(log.path.read_bytes().replace(b"0002", b"0009"))
    with pytest.raises(AuditError, match="was changed"):
        log.append("written", ABOUT, "anna")


@pytest.mark.parametrize("change", ["removed", "swapped", "doubled"])
def test_a_record_removed_moved_or_put_in_is_noticed(tmp_path: Path, change: str) -> None:
    log = filled(tmp_path)
    lines = log.path.read_bytes().splitlines(keepends=True)
    changed = {
        "removed": [lines[0], *lines[2:]],
        "swapped": [lines[0], lines[2], lines[1], lines[3]],
        "doubled": [*lines[:2], lines[1], *lines[2:]],
    }
    log.path.write_bytes(b"".join(changed[change]))
    with pytest.raises(AuditError, match="does not follow"):
        log.read()


def test_a_line_that_is_no_record_in_the_middle_is_noticed(tmp_path: Path) -> None:
    log = filled(tmp_path)
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join([*lines[:2], b"not a record\n", *lines[2:]]))
    with pytest.raises(AuditError, match="does not recover that"):
        log.read()


def test_json_of_another_kind_is_no_torn_line(tmp_path: Path) -> None:
    log = filled(tmp_path)
    with log.path.open("ab") as file:
        file.write(b'{"hello": 1}\n')
    with pytest.raises(AuditError, match="is no record"):
        log.append("written", ABOUT, "anna")


def test_many_writers_at_once_make_one_chain(tmp_path: Path) -> None:
    def write() -> None:
        log = AuditLog(tmp_path / "credits")
        for _ in range(20):
            log.append("intent", ABOUT, threading.current_thread().name)

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(AuditLog(tmp_path / "credits").read().records) == 161


def test_a_long_record_at_the_end_is_found(tmp_path: Path) -> None:
    log = filled(tmp_path)
    log.append("intent", ABOUT, "anna", "x" * 200_000)
    log.append("written", ABOUT, "anna")
    assert len(log.read().records) == 6


@pytest.mark.parametrize("home", ["memory://home", "s3://bucket/home"])
def test_a_home_that_can_neither_append_nor_lock_is_refused(home: str) -> None:
    with pytest.raises(SettingsError, match="need a local directory"):
        credits_directory(home)


def test_the_log_of_a_local_home_is_in_its_folder_credits(tmp_path: Path) -> None:
    assert credits_directory(str(tmp_path)) == tmp_path / "credits"
    assert credits_directory(f"file://{tmp_path}") == tmp_path / "credits"
