"""`billing-dq doctor --night` holds the files of a stored night against its manifest."""

import sys
from pathlib import Path

import pytest

from billing_dq.cli import main
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import finish, manifest_path
from billing_dq.storage.records import EvidenceRemovedRecord
from billing_dq.tables import FINDINGS, ORGANIZATIONS, WEEKLY_USAGE
from tests.support.stored_night import store
from tests.support.stored_nights import store as store_table

NIGHT = "2026-11-21"


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A whole night with its manifest."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path / "home"))
    store(tmp_path / "home", NIGHT, FINDINGS.empty())
    store_table(tmp_path / "home", WEEKLY_USAGE.name, NIGHT, WEEKLY_USAGE.empty())
    lake = Lake(str(tmp_path / "home"))
    finish(lake, NIGHT, Settings(home=lake.home))
    return lake


def said(words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """The exit status, and all that a command printed."""
    monkeypatch.setattr(sys, "argv", ["billing-dq", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    return ended.value.code, printed.out + printed.err


def checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[object, list[str]]:
    status, text = said(["doctor", "--night", NIGHT], monkeypatch, capsys)
    return status, text.splitlines()


def test_a_night_as_it_was_stored_is_one_line_and_status_0(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checked(monkeypatch, capsys) == (0, [f"ok      night of {NIGHT}: 6 files are as they were stored"])


def test_a_changed_byte_a_missing_and_an_added_file_are_a_line_each_and_status_2(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = Path(str(lake.root)) / "findings" / f"{NIGHT}.parquet"
    content = bytearray(changed.read_bytes())
    content[len(content) // 2] ^= 1
    changed.write_bytes(content)
    (lake.root / "nightly_report" / f"{NIGHT}.parquet").unlink()
    store_table(Path(lake.home), ORGANIZATIONS.name, NIGHT, ORGANIZATIONS.empty())
    status, lines = checked(monkeypatch, capsys)
    assert status == 2
    assert [line.partition(";")[0] for line in lines] == [
        f"FAILED  night of {NIGHT}: organizations/{NIGHT}.parquet is there, and the night did not store it",
        f"FAILED  night of {NIGHT}: findings/{NIGHT}.parquet is not the file that was stored",
        f"FAILED  night of {NIGHT}: nightly_report/{NIGHT}.parquet is gone",
    ]


def test_evidence_that_retention_removed_is_not_missed_and_is_named(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record = EvidenceRemovedRecord(by_night="2027-05-01", evidence_nights=90, tables=(WEEKLY_USAGE.name,))
    path = record.path(lake.home, NIGHT)
    path.parent.mkdir(parents=True)
    path.write_text(record.model_dump_json(), encoding="utf-8")
    (lake.root / WEEKLY_USAGE.name / f"{NIGHT}.parquet").unlink()
    status, (line,) = checked(monkeypatch, capsys)
    assert status == 0
    assert "its evidence was removed by retention" in line


@pytest.mark.parametrize("spoil", ["no manifest", "damaged manifest", "not whole", "no night"])
def test_a_night_that_cannot_be_checked_says_why(
    lake: Lake, spoil: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    match spoil:
        case "no manifest":
            manifest_path(lake, NIGHT).unlink()
        case "damaged manifest":
            manifest_path(lake, NIGHT).write_bytes(b'{"format": 1\xff')
        case "not whole":
            lake.begin(NIGHT)
    words = ["doctor", "--night", "2026-13-45" if spoil == "no night" else NIGHT]
    status, text = said(words, monkeypatch, capsys)
    assert status == 2
    (line,) = text.splitlines()
    reasons = {
        "no manifest": f"the night of {NIGHT} has no manifest",
        "damaged manifest": f"the manifest {manifest_path(lake, NIGHT)} is damaged: ",
        "not whole": f"the night of {NIGHT} is not whole",
        "no night": "'2026-13-45' is no night",
    }
    assert line.startswith(f"billing-dq: {reasons[spoil]}")


@pytest.mark.parametrize("kept", [0, 40, -20])
def test_who_reads_a_damaged_table_is_told_which_file_it_is_in_one_line(
    lake: Lake, kept: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = Path(str(lake.root)) / "findings" / f"{NIGHT}.parquet"
    damaged.write_bytes(damaged.read_bytes()[:kept])
    status, text = said(["findings"], monkeypatch, capsys)
    assert status == 2
    (line,) = text.splitlines()
    assert line.startswith(f"billing-dq: {damaged} is damaged: ")
    assert line.endswith(f"`billing-dq doctor --night {NIGHT}` says what else is")
