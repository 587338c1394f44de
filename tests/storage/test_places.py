"""A place is tried before a night is taken for it."""

from pathlib import Path

import pytest

from billing_dq.storage.places import dagster_directory, why_not_writable


def test_a_directory_is_made_and_left_empty(tmp_path: Path) -> None:
    assert why_not_writable(str(tmp_path), "home", "lake") is None
    assert list((tmp_path / "home" / "lake").iterdir()) == []


def test_what_is_a_file_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    assert why_not_writable(str(tmp_path / "home"), "lake")


def test_an_unknown_file_system_is_a_reason_and_no_crash() -> None:
    assert why_not_writable("nosuchsystem://bucket/home")


def test_dagster_home_is_the_variable_else_beside_the_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "")
    assert dagster_directory(str(tmp_path)) == tmp_path / "dagster"
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "elsewhere"))
    assert dagster_directory(str(tmp_path)) == tmp_path / "elsewhere"
