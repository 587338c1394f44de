"""`--verbose`: what is done, on standard error, as text or JSON; never a secret."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from click.testing import CliRunner

from billing_dq.cli import cli
from billing_dq.logs import configure, log, without_secrets

SECRETS = {
    "BILLING_DQ_MONGODB_URI": "mongodb://reader:hunter2@host/",
    "BILLING_DQ_STRIPE_API_KEY": "rk_live_hunter2",
    "BILLING_DQ_ALERTS__ROUTES__OPS__URL": "slack://hunter2",
    "BILLING_DQ_ALERTS__ROUTES__TICKETS__SIGNING_SECRET": "whsec_hunter2",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=hunter2",
    "AWS_SECRET_ACCESS_KEY": "awshunter2",
}


@pytest.fixture(autouse=True)
def _quiet_again() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_nothing_is_logged_where_nobody_asks(capsys: pytest.CaptureFixture[str]) -> None:
    log("step done", step="findings")
    assert capsys.readouterr().err == ""


def test_json_lines_have_fields_an_instant_and_a_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    log("step done", step="findings", seconds=1.5)
    line = json.loads(capsys.readouterr().err)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "step done", "step": "findings", "seconds": 1.5, "level": "info"}


def test_a_secret_of_the_environment_is_in_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    fields = without_secrets(None, "info", {"event": f"it said {' '.join(SECRETS.values())}", "count": 3})
    assert "hunter2" not in str(fields)
    assert fields["count"] == 3


@pytest.mark.parametrize("form", ["text", "json"])
def test_verbose_says_which_command_ran(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["--verbose", "--log", form, "init"])
    assert result.exit_code == 0
    assert "command begun" in result.stderr
    assert "command ended" in result.stderr
    assert "command" not in result.stdout.replace("commands", "")
