"""A full disk, and a store that cannot be reached or refuses: one clear line that names the place and what to do."""

import errno
import os
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy.exc import OperationalError
from upath import UPath

from billing_dq.cli import main
from billing_dq.errors import PlaceError, SourceError
from billing_dq.runner import open_instance
from billing_dq.settings import Settings
from billing_dq.storage import placing, stored_table
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.places import why_not_writable
from billing_dq.storage.placing import put_file, put_text
from billing_dq.storage.stored_table import TableWriter
from billing_dq.tables import ORGANIZATIONS

READING = (
    ["findings"],
    ["report"],
    ["explain", "6aba68021f1483412b0fa60e", "2026-W46"],
    ["dispute", "du_1"],
    ["export", "findings"],
    ["schema"],
    ["doctor", "--night", "2026-11-21"],
)


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_names_the_folder_and_what_to_do_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "source").write_text("new")
    place = UPath(tmp_path / "lake" / "findings" / "2026-11-21.parquet")
    put_text("old", place)
    monkeypatch.setattr(placing.shutil, "copyfileobj", full)
    with pytest.raises(PlaceError) as refused:
        put_file(UPath(tmp_path / "source"), place)
    assert str(refused.value) == (
        f"{place.parent} is full: No space left on device; make room there, or set BILLING_DQ_HOME to another place"
    )
    assert place.read_text() == "old"
    assert [path.name for path in place.parent.iterdir()] == [place.name]


def test_a_full_directory_for_temporary_files_is_named_and_so_is_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = to_arrow(ORGANIZATIONS, ORGANIZATIONS.empty().reindex([0]).assign(organization_id="6" * 24, plan="pro"))
    monkeypatch.setattr(stored_table.pq.ParquetWriter, "write_table", full)
    said = f"^{tmp_path} is full: No space left on device; make room there, or set TMPDIR to another directory$"
    with pytest.raises(PlaceError, match=said), TableWriter(ORGANIZATIONS, UPath(tmp_path / "table")) as writer:
        writer.write(rows)


def test_a_home_without_room_gives_the_reason_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "replace", full)
    assert why_not_writable(str(tmp_path)) == "No space left on device"


def test_a_full_history_of_dagster_is_one_line_that_names_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    with (
        pytest.raises(SourceError, match=rf"written: database or disk is full; see that {tmp_path}/dagster \(DAGSTER_"),
        open_instance(Settings(home=str(tmp_path / "home"))),
    ):
        raise OperationalError("INSERT", {}, Exception("database or disk is full"))


class _Refuses(BaseHTTPRequestHandler):
    """A store that knows nobody."""

    def do_GET(self) -> None:
        body = b"<?xml version='1.0'?><Error><Code>InvalidAccessKeyId</Code><Message>No such key id.</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_PUT = do_GET

    def log_message(self, format: str, *args: object) -> None:
        return None


@pytest.fixture(scope="module")
def refusing() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _Refuses) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def said_of(
    endpoint: str, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """The one line that a command with its results on a store prints, which ends with status 2."""
    from s3fs import S3FileSystem  # only tests on S3 pay for it

    monkeypatch.chdir(tmp_path)
    given = {"AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "hunter2"}
    given |= {"AWS_DEFAULT_REGION": "us-east-1", "AWS_MAX_ATTEMPTS": "1", "BILLING_DQ_HOME": "s3://company/billing"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["billing-dq", *words])
    S3FileSystem.clear_instance_cache()  # its client keeps the address that it saw first
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        S3FileSystem.clear_instance_cache()
    printed = capsys.readouterr()
    assert ended.value.code == 2
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert "hunter2" not in line
    return line


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
def test_a_store_that_cannot_be_reached_is_one_line_of_every_reading_command(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = said_of("http://127.0.0.1:1", words, tmp_path, monkeypatch, capsys)
    assert line.startswith("billing-dq: the store of the results cannot be used: Could not connect to the endpoint")
    assert "see that BILLING_DQ_HOME is right" in line


@pytest.mark.parametrize("words", READING, ids=lambda words: words[0])
def test_refused_credentials_are_one_line_of_every_reading_command(
    refusing: str,
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    line = said_of(refusing, words, tmp_path, monkeypatch, capsys)
    assert line.startswith("billing-dq: the store of the results cannot be used: ")
