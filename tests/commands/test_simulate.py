"""`billing-dq simulate` as a command."""

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from pymongo.database import Database

from billing_dq.cli import cli
from billing_dq_simulation.local_stripe import load as load_objects


def run(*arguments: str):
    return CliRunner().invoke(cli, ["simulate", *arguments])


def test_it_loads_a_company_and_writes_labels_objects_and_settings(
    mongodb_uri: str, database: Database, tmp_path: Path
):
    labels, stripe, config = tmp_path / "labels.csv", tmp_path / "stripe.json.gz", tmp_path / "billing_dq.toml"
    size = ("--database", database.name, "--organizations", "40", "--faults", "cached_balance_drift=1")
    files = ("--labels", str(labels), "--stripe", str(stripe), "--config", str(config))
    result = run("--to", mongodb_uri, *size, *files)
    assert result.exit_code == 0, result.output
    assert "organizations: 40" in result.output
    assert database["organizations"].count_documents({}) == 40
    assert (pd.read_csv(labels)["finding_kind"] == "ledger_violation").any()
    with gzip.open(stripe, "rt", encoding="utf-8") as file:
        assert json.load(file) == load_objects(stripe)
    assert f'mongodb_database = "{database.name}"' in config.read_text()
    again = run("--to", mongodb_uri, *size)
    assert again.exit_code != 0
    assert "already holds" in str(again.exception)
    assert run("--to", mongodb_uri, *size, "--replace").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--faults", "gremlin=1"], "unknown fault 'gremlin'"),
        (["--faults", "dropped_debit=2"], "rate of dropped_debit"),
        (["--as-of", "yesterday"], "not an instant"),
        (["--entries", "-1"], "entries_per_week"),
        (["--organizations", "-1"], "organizations"),
        (["--weeks", "0"], "weeks"),
    ],
)
def test_bad_input_is_one_clear_error(arguments: list[str], message: str):
    result = run("--to", "mongodb://127.0.0.1:9/", *arguments)
    assert result.exit_code == 2
    assert message in result.output
