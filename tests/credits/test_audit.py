"""The audit log: chained, whole after a crash at any byte, and changed by nobody unnoticed."""

import json
import threading
from pathlib import Path

import pytest

from billing_dq.credits.audit import AuditError, AuditLog, Subject, credits_directory
from billing_dq.errors import SettingsError

ABOUT = Subject("du_1", "6aba68021f1483412b0fa60e", "0" * 24)


def filled(directory: Path, records: int = 3) -> AuditLog:
    log = AuditLog(directory / "credits")
    for number in range(records):
        log.append("intent", ABOUT, "anna", "because", {"entry_id": f"{number:024d}", "units": 1.5})
    return log


def test_every_record_holds_the_hash_of_the_one_before(tmp_path: Path) -> None:
    records = filled(tmp_path).read().records
    assert [record.kind for record in records] == ["started", "intent", "intent", "intent"]
    assert [record.previous for record in records[1:]] == [record.hash for record in records[:-1]]
    assert [record.number for record in records] == [0, 1, 2, 3]


def test_no_log_has_no_records(tmp_path: Path) -> None:
    assert AuditLog(tmp_path).read().records == ()


def test_a_crash_at_any_byte_of_a_record_is_recovered_and_the_torn_bytes_stay(tmp_path: Path) -> None:
    log = filled(tmp_path)
    whole = log.path.read_bytes()
    start = whole[:-1].rfind(b"\n") + 1
    for cut in range(start + 1, len(whole)):
        log.path.write_bytes(whole[:cut])
        before = log.read()
        assert before.torn_bytes == (cut - start if cut < len(whole) - 1 else 0)
        log.append("written", ABOUT, "anna")
        after = log.read()
        assert after.torn_bytes == 0
        assert log.path.read_bytes().startswith(whole[:cut])
        expected = ["recovered", "written"] if before.torn_bytes else ["intent", "written"]
        assert [record.kind for record in after.records[-2:]] == expected


def test_a_crash_during_the_recovery_is_recovered(tmp_path: Path) -> None:
    log = filled(tmp_path)
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:-20])
    log.append("written", ABOUT, "anna")
    recovered = log.path.read_bytes()
    for cut in range(len(whole) - 19, len(recovered)):
        log.path.write_bytes(recovered[:cut])
        log.append("written", ABOUT, "anna")
        assert log.read().records[-1].kind == "written"
        assert log.path.read_bytes().startswith(recovered[:cut])


def test_a_torn_first_line_is_recovered(tmp_path: Path) -> None:
    log = filled(tmp_path, 1)
    whole = log.path.read_bytes()
    log.path.write_bytes(whole[:40])
    log.append("written", ABOUT, "anna")
    assert [record.kind for record in log.read().records] == ["started", "recovered", "written"]


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
