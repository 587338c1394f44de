"""Messages over Apprise to a real HTTP target; whatever it answers, no address and no secret goes on."""

import logging
from pathlib import Path

import pytest

from billing_dq.alerts import targets
from billing_dq.alerts.message import Message
from billing_dq.alerts.notifier import AlertBatch, Notifier, undelivered
from billing_dq.settings import Route
from billing_dq_simulation.commands.demonstration.sink import alert_sink
from tests.support import alerting
from tests.support.alerting import Ticking, alert, alerts

SECRET = "hunter2"
MESSAGE = Message("a title", "a <b>text</b> with @everyone & more", "error")


def route(url: str) -> Route:
    return Route.model_validate({"url": url})


def test_a_message_arrives_as_plain_text_with_its_loudness() -> None:
    with alert_sink() as taking:
        assert targets.send("ops", route(taking.url()), MESSAGE, 10) is None
    (got,) = taking.taken
    assert (got["title"], got["message"], got["type"]) == (MESSAGE.title, MESSAGE.text, "failure")


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_target_that_refuses_is_told_with_its_status(status: int) -> None:
    with alert_sink() as refusing:
        refusing.status = status
        reason = targets.send("ops", route(refusing.url(SECRET)), MESSAGE, 10)
    assert reason == f"JSON: the target answered with HTTP {status}"


def test_a_target_that_is_not_there_and_an_address_that_means_nothing_are_one_sentence() -> None:
    gone = targets.send("ops", route(f"json://user:{SECRET}@127.0.0.1:9/{SECRET}"), MESSAGE, 10)
    assert gone == "JSON: the target was not reached, or did not take the message"
    for url in (f"slack://{SECRET}", f"nonsense://{SECRET}", SECRET):
        reason = targets.send("ops", route(url), MESSAGE, 10)
        assert reason is not None
        assert "BILLING_DQ_ALERTS__ROUTES__OPS__URL holds no address that Apprise knows" in reason
        assert SECRET not in reason
    assert targets.send("ops", Route(), MESSAGE, 10) == "no address: set BILLING_DQ_ALERTS__ROUTES__OPS__URL"
    assert targets.send("file", Route(), MESSAGE, 10) is None


def test_a_plugin_that_breaks_fails_the_message_and_not_the_night(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("apprise.Apprise.notify", breaks)
    reason = targets.send("ops", route("json://127.0.0.1/"), MESSAGE, 10)
    assert reason == "JSON: failed inside Apprise (RuntimeError)"


def test_a_planted_secret_is_in_no_log_no_file_and_no_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(1)
    logging.getLogger("urllib3").setLevel(1)
    with alert_sink() as refusing:
        refusing.status = 503
        settings = alerting.settings(
            tmp_path,
            refused={"url": refusing.url(SECRET)},
            dead={"url": f"json://user:{SECRET}@127.0.0.1:9/{SECRET}"},
            wrong={"url": f"slack://{SECRET}"},
        )
        notifier = Notifier(settings, clock=Ticking().clock)
        notifier.notify(AlertBatch("night", "x", alerts(alert("a"))))
        waiting = notifier.deliver()
    assert refusing.asked == 3
    assert len(waiting) == 3
    files = "".join(path.read_text(encoding="latin-1") for path in tmp_path.rglob("*") if path.is_file())
    said = (
        undelivered(waiting) + repr(settings) + settings.model_dump_json() + caplog.text + "".join(capfd.readouterr())
    )
    assert SECRET not in files + said
