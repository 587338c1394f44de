"""What is made in the home is for its owner alone, whatever the umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from upath import UPath

from billing_dq.storage.file_locks import exclusive
from billing_dq.storage.home_database import writing
from billing_dq.storage.night_locks import NightLocks
from billing_dq.storage.placing import put_file, put_text


@pytest.fixture(autouse=True)
def _open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(home: Path) -> set[tuple[bool, int]]:
    return {(path.is_dir(), stat.S_IMODE(path.stat().st_mode)) for path in (home, *home.rglob("*"))}


def test_files_are_0600_and_directories_0700(tmp_path: Path) -> None:
    home = tmp_path / "home"
    put_text("{}", UPath(home / "lake" / "manifests" / "2026-11-21.json"))
    put_file(UPath(__file__), UPath(home / "lake" / "findings" / "2026-11-21.parquet"))
    with NightLocks(str(home)).hold("2026-11-21"), exclusive(home / "credits" / "lock", wait=True):
        pass
    with writing(home / "billing_dq.sqlite"):
        pass
    assert modes(home) == {(True, 0o700), (False, 0o600)}


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    put_text("{}", UPath(home / "lake" / "x.json"))
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
