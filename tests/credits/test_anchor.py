"""The anchor: what the chain of the audit log cannot tell by itself, its end cut off or all of it written anew."""

import json
from pathlib import Path

import pytest

from billing_dq.credits.anchor import anchor, anchor_of, holds, whole_log
from billing_dq.credits.audit import AuditError, AuditLog, Subject
from billing_dq.credits.guard import guard_file
from billing_dq.settings import Settings
from billing_dq.storage.records import AuditAnchorRecord


def log_of(home: Path, records: int) -> AuditLog:
    log = AuditLog(home / "credits")
    for number in range(records):
        log.append("parked", Subject(organization_id=f"{number:024x}"), "anna", "while it is looked into")
    return log


def test_without_a_record_or_a_local_home_there_is_no_anchor_and_the_reason_is_said(tmp_path: Path) -> None:
    assert anchor_of(str(tmp_path)) == "none: no credit was ever touched"
    assert anchor_of("memory://home") == "none: credits need a local home"


def test_a_log_that_grew_still_holds_its_anchor(tmp_path: Path) -> None:
    log = log_of(tmp_path, 2)
    before = anchor_of(str(tmp_path))
    log_of(tmp_path, 1)
    assert holds(log.read().records, before)
    assert anchor(before) == before


def test_a_log_whose_end_was_cut_off_no_longer_holds_its_anchor(tmp_path: Path) -> None:
    log = log_of(tmp_path, 3)
    before = anchor_of(str(tmp_path))
    lines = log.path.read_bytes().splitlines(keepends=True)
    log.path.write_bytes(b"".join(lines[:-1]))
    assert len(log.read_chain().records) == 3  # "started" among them: the chain is whole, and yet one is gone
    assert not holds(log.read_chain().records, before)


def test_a_log_that_was_written_anew_no_longer_holds_its_anchor(tmp_path: Path) -> None:
    log = log_of(tmp_path, 3)
    before = anchor_of(str(tmp_path))
    log.path.unlink()
    guard_file(log.directory).unlink()
    log_of(tmp_path, 5)
    assert not holds(log.read().records, before)


def test_a_changed_log_ends_no_night_and_is_told_as_not_whole(tmp_path: Path) -> None:
    log = log_of(tmp_path, 2)
    lines = log.path.read_text(encoding="utf-8").splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), "actor": "mallory"})
    log.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert anchor_of(str(tmp_path)).startswith("NOT WHOLE: line 2")


@pytest.mark.parametrize("text", ["", "7", f"7:{'a' * 63}", f"-1:{'a' * 64}", f"7:{'A' * 64}"])
def test_what_is_no_anchor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="an anchor is a number, a colon and 64"):
        anchor(text)


def test_a_night_that_is_concluded_again_keeps_the_anchor_that_it_told_first(tmp_path: Path) -> None:
    home = str(tmp_path)
    assert AuditAnchorRecord(anchor="7:a").keep(home, "2026-11-21").anchor == "7:a"
    assert AuditAnchorRecord(anchor="9:b").keep(home, "2026-11-21").anchor == "7:a"
    told = AuditAnchorRecord.of(home, "2026-11-21")
    assert told is not None
    assert told.anchor == "7:a"


def test_a_log_that_does_not_hold_what_a_night_told_is_not_whole_until_a_person_has_said_so(tmp_path: Path) -> None:
    settings = Settings(home=str(tmp_path))
    log = log_of(tmp_path, 3)
    told = AuditAnchorRecord(anchor=anchor_of(str(tmp_path))).keep(str(tmp_path), "2026-11-21").anchor
    AuditAnchorRecord(anchor="none: no credit was ever touched").keep(str(tmp_path), "2026-11-20")
    log_of(tmp_path, 1)
    assert len(whole_log(settings).records) == 5
    log.path.unlink()
    guard_file(log.directory).unlink()  # lost with the log, and written anew as a whole
    log_of(tmp_path, 5)
    with pytest.raises(AuditError, match="that the night of 2026-11-21 told"):
        whole_log(settings)
    log.begin_anew([told], "bert", "the disk was lost in November")
    assert len(whole_log(settings).records) == 7
