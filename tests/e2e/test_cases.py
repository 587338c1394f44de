"""Situations that people who do this job have reported, each with what a night must say of it (`tests/data/cases`)."""

from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.e2e.case_table import CASES
from tests.support import case_runner


def marked(name: str) -> Any:
    """A case as a parameter; one that is not right yet must fail, so that nobody forgets to say when it is."""
    reason = CASES[name].not_yet
    marks = [pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)] if reason else []
    return pytest.param(name, marks=marks)


@pytest.mark.parametrize("name", [marked(name) for name in CASES])
def test_a_case_ends_as_its_readme_says(
    name: str, database: Database[dict[str, Any]], mongodb_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case_runner.run_case(name, CASES[name], database, mongodb_uri, tmp_path, monkeypatch)


def test_every_case_is_in_the_table() -> None:
    refused = {"03-night-after-the-machines-clock", "40-two-nights-of-one-date-at-once"}  # test_refused_nights.py
    assert {*CASES, *refused} == {path.name for path in case_runner.CASES.iterdir()}
