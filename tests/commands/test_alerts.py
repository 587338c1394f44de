"""`billing-dq alerts test` and `billing-dq doctor --alert` with real HTTP targets, and where the demo's alerts go."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from billing_dq.alerts import targets
from billing_dq.alerts.message import Message
from billing_dq.cli import cli
from billing_dq.settings import Route
from billing_dq_simulation.commands.demonstration.sink import Sink, alert_sink

SECRET = "hunter2"
URL = "BILLING_DQ_ALERTS__ROUTES__{}__URL"


@pytest.fixture
def taking() -> Iterator[Sink]:
    with alert_sink() as found:
        yield found


@pytest.fixture(autouse=True)
def _two_routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taking: Sink) -> None:
    config = tmp_path / "billing_dq.toml"
    config.write_text("[alerts]\nwait_seconds = 0\n[alerts.routes.ops]\n[alerts.routes.pager]\nseverity = 'critical'\n")
    monkeypatch.setenv("BILLING_DQ_CONFIG", str(config))
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setenv(URL.format("OPS"), taking.url(SECRET))


def run(*arguments: str) -> Result:
    """The command as a caller sees it: its output, and the status that it gives back."""
    result = CliRunner().invoke(cli, list(arguments), standalone_mode=False)
    assert SECRET not in result.output
    return result


def test_a_test_goes_to_every_route_and_says_which_arrived(taking: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL.format("PAGER"), f"json://user:{SECRET}@127.0.0.1:9/")
    result = run("alerts", "test")
    assert result.return_value == 2
    assert result.output.splitlines() == [
        "delivered ops",
        "FAILED    pager: JSON: the target was not reached, or did not take the message",
    ]
    assert [one["title"] for one in taking.taken] == ["billing_dq: a test"]


def test_one_route_can_be_tried_alone(taking: Sink) -> None:
    result = run("alerts", "test", "--route", "ops")
    assert (result.return_value, result.output) == (0, "delivered ops\n")
    assert (
        run("alerts", "test", "--route", "pager").output == f"FAILED    pager: no address: set {URL.format('PAGER')}\n"
    )
    assert "there is no route x; routes: ops, pager" in str(run("alerts", "test", "--route", "x").exception)


def test_without_a_route_it_says_where_the_notifications_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "billing_dq.toml").write_text("")
    monkeypatch.delenv(URL.format("OPS"))
    result = run("alerts", "test")
    assert result.return_value == 0
    assert "its notifications stay in the outbox: `billing-dq alerts list`" in result.output


def test_the_doctor_names_a_route_without_an_address_and_sends_nothing(taking: Sink) -> None:
    result = run("doctor")
    assert "ok      alert route ops" in result.output
    assert f"FAILED  alert route pager: no address: set {URL.format('PAGER')}" in result.output
    assert taking.asked == 0


def test_the_doctor_alerts_of_failed_parts_and_missing_nights_once(taking: Sink) -> None:
    for _ in range(2):
        result = run("doctor", "--alert")
        assert result.return_value == 2
        assert "FAILED  nights: No night has been concluded yet" in result.output
        assert "ok      alerts: every message was delivered" in result.output
    assert [one["title"] for one in taking.taken] == [
        "billing_dq, the parts of this installation: 2 new",
        "billing_dq, the nights: 1 new",
    ]
    assert "failed_part, MongoDB: no address" in taking.taken[0]["message"]


def test_the_doctor_says_what_could_not_be_delivered(taking: Sink) -> None:
    taking.status = 404
    result = run("doctor", "--alert")
    assert result.return_value == 2
    assert "FAILED  alerts: route ops: 2 not delivered since" in result.output
    assert "HTTP 404" in result.output


def test_the_sink_of_the_demo_shows_what_came_in_since_the_last_question() -> None:
    with alert_sink() as sink:
        route = Route.model_validate({"url": sink.url()})
        text = "\n\n".join(["first", "x" * 300, *(f"line {number}" for number in range(9))])
        assert targets.send("demo", route, Message("a title", text, "error"), 10) is None
        (shown,) = sink.new_messages()
        assert shown.splitlines()[0] == "  a title"
        assert shown.splitlines()[-1] == "    ... 5 more lines"
        assert max(len(line) for line in shown.splitlines()) < 220
        assert sink.new_messages() == []
        address = sink.url().replace("json", "http")
        with pytest.raises(urllib.error.HTTPError, match="400") as refused:
            urllib.request.urlopen(address, data=b"no JSON")
        refused.value.close()
