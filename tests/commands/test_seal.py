"""`billing-dq seal` proves the seals of a stored night, and shows how one hangs on the night's root."""

import json
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result

from billing_dq.commands.seal import command
from billing_dq.errors import SourceError
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import NightManifest, manifest_path
from billing_dq.storage.seal_tree import root_from, seal_root
from billing_dq.tables import LEDGER_SEALS
from tests.support.stored_nights import store

FIRST, SECOND = date(2026, 11, 20), date(2026, 11, 21)
ORG = "6a0000000000000000000001"


def seals(digest: str, earlier: str | None = None) -> pd.DataFrame:
    row = {"organization_id": ORG, "reading": "read", "entry_count": 5, "ledger_sum": 70.0, "digest": digest}
    row |= {"earlier_count": 5 if earlier else 0, "earlier_sum": 70.0, "earlier_digest": earlier}
    return LEDGER_SEALS.from_rows([row | {"first_sum": 70.0, "first_digest": earlier}])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two nights, the second of which continues the seal of the first."""
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path))
    put(tmp_path, FIRST, seals("a"))
    put(tmp_path, SECOND, seals("a", "a"))
    return tmp_path


def put(home: Path, night: date, frame: pd.DataFrame) -> None:
    store(home, LEDGER_SEALS.name, night.isoformat(), frame)
    manifest = NightManifest(
        night=night.isoformat(),
        state="complete",
        code_version="0",
        rule_versions={},
        settings={},
        documents={},
        stripe={},
        rows={},
        files={},
        seal_root=seal_root(frame),
    )
    path = manifest_path(Lake(str(home)), night.isoformat())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(manifest.model_dump_json(), encoding="utf-8")


def told(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), standalone_mode=False, catch_exceptions=False)


def test_a_night_whose_seals_have_the_root_of_its_manifest_is_proved(home: Path) -> None:
    result = told("verify")
    assert (result.return_value, result.output.count("\n")) == (0, 1)
    assert seal_root(seals("a", "a")) in result.output
    assert json.loads(told("verify", "--night", FIRST.isoformat(), "--json").output)["broken"] == []


def test_a_seal_that_was_changed_after_the_night_is_told(home: Path) -> None:
    store(home, LEDGER_SEALS.name, SECOND.isoformat(), seals("b", "a"))
    result = told("verify")
    assert result.return_value == 1
    assert "seals were changed after the night" in result.output


def test_a_night_that_does_not_continue_the_one_before_is_told(home: Path) -> None:
    put(home, SECOND, seals("b", "z"))
    result = told("verify")
    assert result.return_value == 1
    assert f"{ORG}: its seal does not continue" in result.output


def test_the_path_of_an_organization_leads_to_the_root(home: Path) -> None:
    shown = json.loads(told("show", ORG, "--json").output)
    assert shown["seal"]["digest"] == "a"
    assert root_from(shown["leaf"], []) == shown["root"] == seal_root(seals("a", "a"))
    assert "root" in told("show", ORG).output


def test_a_night_without_manifest_cannot_be_proved(home: Path) -> None:
    manifest_path(Lake(str(home)), SECOND.isoformat()).unlink()
    with pytest.raises(SourceError, match="no manifest with a root"):
        told("verify")
