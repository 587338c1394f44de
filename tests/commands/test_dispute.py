import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner, Result
from upath import UPath

from billing_dq.cli import cli
from billing_dq.commands.dispute import command
from billing_dq.errors import SourceError
from billing_dq.storage import arrow, stored_table
from billing_dq.tables import DISPUTE_ENTRIES, DISPUTE_POSITIONS, PACK_PURCHASES, STRIPE_DISPUTES, Table

NIGHT = "2026-11-21"
ORG = "6aba68021f1483412b0fa60e"
OPENED = datetime(2026, 10, 20, 12, tzinfo=UTC)


def store(home: Path, table: Table, frame: pd.DataFrame) -> None:
    path = home / "lake" / table.name / f"{NIGHT}.parquet"
    path.parent.mkdir(parents=True)
    with stored_table.TableWriter(table, UPath(path)) as writer:
        writer.write(arrow.to_arrow(table, frame))


def moved(amount: int, days: int) -> dict[str, object]:
    return {
        "amount_minor": amount,
        "currency": "usd",
        "exchange_rate": None,
        "reporting_category": "dispute",
        "created": OPENED.replace(day=20 + days),
    }


def at_stripe(dispute_id: str, organization: str | None) -> dict[str, object]:
    return {
        "dispute_id": dispute_id,
        "charge_id": "ch_1",
        "status": "won",
        "amount_minor": 500,
        "currency": "usd",
        "organization_id": organization,
        "stripe_session_id": "cs_1",
        "pack_id": "pack_m",
        "created": OPENED,
        "movements": [moved(-500, 0), moved(500, 9)],
        "livemode": True,
    }


def clawback() -> dict[str, object]:
    return {
        "organization_id": ORG,
        "entry_id": "e1",
        "kind": "refund",
        "ref_id": "refund-dispute_du_1-6ad8a43ef9c10e4a444e7a3d",
        "amount": -6000.0,
        "at": OPENED.replace(minute=1),
    }


def position(dispute_id: str, organization: str | None) -> dict[str, object]:
    return {
        "dispute_id": dispute_id,
        "organization_id": organization,
        "charge_id": "ch_1",
        "status": "won",
        "currency": "usd",
        "withdrawn_minor": 500,
        "reinstated_minor": 500,
        "fraction": 1.0,
        "clawed_back_units": 6000.0,
        "credited_units": 5000.0,
        "due_units": 1000.0,
        "decision": "due",
        "reason": "credited_short",
    }


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    store(tmp_path, STRIPE_DISPUTES, STRIPE_DISPUTES.from_rows([at_stripe("du_1", ORG), at_stripe("du_2", None)]))
    store(tmp_path, DISPUTE_ENTRIES, DISPUTE_ENTRIES.from_rows([clawback()]))
    store(tmp_path, PACK_PURCHASES, PACK_PURCHASES.empty())
    store(tmp_path, DISPUTE_POSITIONS, DISPUTE_POSITIONS.from_rows([position("du_1", ORG), position("du_2", None)]))
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments)


def test_the_timeline_and_the_arithmetic_are_shown(night: Path):
    result = run("du_1")
    assert result.exit_code == 0
    assert "Dispute du_1 of organization 6aba68021f1483412b0fa60e, on the night of 21 Nov 2026" in result.output
    assert re.search(r"still due +1,000 units +due: credited short", result.output)
    assert "minor" not in result.output
    for event in ("money withdrawn", "money reinstated", "clawback"):
        assert event in result.output


def test_a_program_reads_the_same_as_json(night: Path):
    told = json.loads(run("du_1", "--json").output)
    assert told["night"] == NIGHT
    assert (told["position"]["due_units"], told["position"]["reason"]) == (1000.0, "credited_short")
    assert [event["event"] for event in told["events"]][:2] == ["dispute opened, now won", "money withdrawn"]
    assert told["events"][0]["at"] == "2026-10-20T12:00:00+00:00"
    assert told["arithmetic"][-1] == {
        "label": "still due",
        "amount": 1000.0,
        "unit": "units",
        "note": "due: credited short",
        "start": None,
    }


def test_an_unknown_dispute_is_one_clear_error(night: Path):
    result = run("du_9", "--night", NIGHT)
    assert result.exit_code == 1
    assert "no dispute du_9 among the 2 of the night of 2026-11-21" in result.output
    assert "Traceback" not in result.output


def test_a_night_without_disputes_is_one_clear_error(night: Path):
    result = run("du_1", "--night", "2026-11-20")
    assert isinstance(result.exception, SourceError)
    assert "2026-11-20" in str(result.exception)


def test_the_command_is_one_of_billing_dqs(night: Path):
    assert "100% of what was withdrawn" in CliRunner().invoke(cli, ["dispute", "du_1"]).output
