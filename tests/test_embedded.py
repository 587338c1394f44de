from pathlib import Path

import pytest
from pymongo import MongoClient

from billing_dq.errors import SourceError
from billing_dq_simulation import embedded


def test_the_embedded_server_answers_and_is_gone_afterwards(tmp_path: Path) -> None:
    with embedded.embedded_mongodb(tmp_path) as server:
        with MongoClient[dict[str, object]](server.uri) as client:
            client.app.things.insert_one({"_id": 1})
            assert client.app.things.count_documents({}) == 1
        assert server.process.poll() is None
    assert server.process.poll() is not None


def test_two_embedded_servers_run_side_by_side(tmp_path: Path) -> None:
    with embedded.embedded_mongodb(tmp_path / "a") as one, embedded.embedded_mongodb(tmp_path / "b") as other:
        assert one.uri != other.uri


def test_a_python_without_a_package_of_the_server_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded.shutil, "which", lambda *_args, **_kwargs: None)
    monkeypatch.setattr(embedded.sys, "version_info", (3, 14, 0))
    no_package = pytest.raises(SourceError, match=r"no package for Python 3\.14, .*PYTHON=python3\.13")
    with no_package, embedded.embedded_mongodb(tmp_path):
        pass


def test_a_missing_program_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded.shutil, "which", lambda *_args, **_kwargs: None)
    with pytest.raises(SourceError, match="extra `demo`"), embedded.embedded_mongodb(tmp_path):
        pass
