"""`billing-dq schema` prints what the documents of a night look like, and what of it changed."""

import json
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from billing_dq.commands.schema import command
from billing_dq.errors import SourceError
from billing_dq.tables import DOCUMENT_SHAPES
from tests.support.stored_nights import store

NIGHT = date(2026, 11, 21)
HOSTILE = "evil\x1b[2J"


def shapes(*fields: str) -> pd.DataFrame:
    """Fields of text, each in 80 of 100 documents; the last is in no contract."""
    return DOCUMENT_SHAPES.from_rows(
        {
            "collection": "subscriptions",
            "field": field,
            "part": "type",
            "observed": "string",
            "occurrences": 80,
            "population": 100,
            "declared": field != fields[-1],
            "example_id": HOSTILE if field == fields[-1] else None,
        }
        for field in fields
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four nights, in the last of which a field is new."""
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path))
    for back in range(1, 4):
        night = (NIGHT - timedelta(days=back)).isoformat()
        store(tmp_path, DOCUMENT_SHAPES.name, night, shapes("plan", "status", "note"))
    store(tmp_path, DOCUMENT_SHAPES.name, NIGHT.isoformat(), shapes("plan", "status", "note", "tier"))
    return tmp_path


def schema(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, standalone_mode=False)


def test_it_prints_each_field_with_its_share_and_what_is_new(home: Path) -> None:
    lines = schema().output.splitlines()
    assert lines[0].split() == ["subscriptions", "plan", "type", "string", "80.0", "100"]
    assert "subscriptions.tier is a new field, of type string, in 80 of 100" in lines[-1]
    earlier = schema("--night", (NIGHT - timedelta(days=1)).isoformat()).output
    assert "tier" not in earlier


def test_json_holds_the_shapes_and_the_changes(home: Path) -> None:
    told = json.loads(schema("--json").output)
    assert told["night"] == NIGHT.isoformat()
    assert {row["field"] for row in told["shapes"]} == {"plan", "status", "note", "tier"}
    assert [change["what"] for change in told["changes"]] == ["new_field"]


def test_text_from_the_database_is_shown_and_not_obeyed(home: Path) -> None:
    for output in (schema().output, schema("--json").output):
        assert "\x1b" not in output
        assert "evil" in output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--night", "yesterday"), "'yesterday' is no night: it must be a date such as 2026-11-21"),
        (("--night", "2026-01-01"), "stored nights: 2026-11-18, 2026-11-19, 2026-11-20, 2026-11-21"),
        (("--collection", "users"), "the night of 2026-11-21 has no collection users; it has subscriptions"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(home: Path, arguments: tuple[str, ...], said: str) -> None:
    error = schema(*arguments).exception
    assert isinstance(error, SourceError)
    assert said in str(error)


def test_without_a_night_it_says_what_to_run_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path))
    error = schema().exception
    assert isinstance(error, SourceError)
    assert "run `billing-dq nightly` first" in str(error)
