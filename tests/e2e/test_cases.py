"""Situations that people who do this job have reported, each with what a night must say of it (`tests/data/cases`)."""

from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

from tests.support.case_runner import Case, all_cases, check, company_of, take


@pytest.fixture(scope="module")
def dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One history for all cases: making one takes longer than a night of two organizations."""
    return tmp_path_factory.mktemp("dagster")


def marked(case: Case) -> Any:
    """The case as a parameter; one that is not right yet must fail, so that nobody forgets to say when it is."""
    reason = case.expected.get("not_yet")
    marks = [pytest.mark.xfail(strict=True, reason=reason)] if reason else []
    return pytest.param(case, id=case.name, marks=marks)


@pytest.mark.parametrize("case", [marked(case) for case in all_cases()])
def test_a_case_ends_as_its_readme_says(
    case: Case,
    database: Database[dict[str, Any]],
    mongodb_uri: str,
    tmp_path: Path,
    dagster_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with company_of(case, database, mongodb_uri, tmp_path, monkeypatch) as stripe:
        monkeypatch.setenv("DAGSTER_HOME", str(dagster_home))
        for step, expected in zip(case.steps, case.expected["steps"], strict=True):
            ended = take(step, database, stripe)
            if ended is not None:
                check(step, ended, expected)
