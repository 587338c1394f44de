"""A signal ends the work whenever it comes, whoever's handler it meets."""

import contextlib
import os
import signal
from collections.abc import Iterator

import pytest
from dagster._utils.interrupts import capture_interrupts

from billing_dq import cli, runner
from billing_dq.commands import nightly
from billing_dq.commands.shared.stopping import StopSignals
from billing_dq_simulation.commands import demo

STOPS = [signal.SIGINT, signal.SIGTERM]


@pytest.fixture(autouse=True)
def handlers_of_a_terminal() -> Iterator[None]:
    """What a process has that a person starts; a shell may have started the tests with SIGINT ignored."""
    before = {number: signal.getsignal(number) for number in STOPS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number: signal.Signals) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_ends_the_block_at_once(number: signal.Signals) -> None:
    after = False
    with pytest.raises(KeyboardInterrupt), StopSignals():
        send(number)
        after = True
    assert not after


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_between_two_steps_of_a_run_which_dagster_forgets_is_told(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), StopSignals() as stop:
        with capture_interrupts():
            send(number)
        with pytest.raises(KeyboardInterrupt):
            stop.raise_if_asked()
        with pytest.raises(KeyboardInterrupt):
            stop.raise_if_asked()  # once asked, always asked


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_that_nobody_tells_of_ends_the_block_at_its_end(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt), StopSignals(), capture_interrupts():
        send(number)


def test_what_fails_after_a_signal_fails_because_of_it() -> None:
    with pytest.raises(KeyboardInterrupt) as stopped, StopSignals():
        with capture_interrupts():
            send(signal.SIGINT)
        raise ValueError("a step was cut short")
    assert isinstance(stopped.value.__cause__, ValueError)


def test_without_a_signal_nothing_is_told_and_errors_stay_what_they_are() -> None:
    with StopSignals() as stop:
        stop.raise_if_asked()
    with pytest.raises(ValueError, match="its own"), StopSignals():
        raise ValueError("its own")


def test_the_signal_that_is_waited_for_ends_the_waiting_and_nothing_else() -> None:
    with StopSignals() as stop:
        with capture_interrupts():  # the signal is there before the waiting begins
            send(signal.SIGTERM)
        stop.wait()
        stop.raise_if_asked()


def test_what_is_put_away_is_not_interrupted_and_the_end_tells() -> None:
    put_away = False
    with pytest.raises(KeyboardInterrupt), StopSignals() as stop:
        stop.shield()
        send(signal.SIGTERM)
        put_away = True
    assert put_away


def test_handlers_and_the_wakeup_are_as_before_afterwards() -> None:
    before = [signal.getsignal(number) for number in STOPS]
    with StopSignals():
        pass
    assert [signal.getsignal(number) for number in STOPS] == before
    assert signal.set_wakeup_fd(-1) == -1


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with StopSignals() as stop:
        send(signal.SIGINT)
        stop.raise_if_asked()


def test_sigterm_still_ends_what_was_started_with_sigint_ignored_after_a_run_of_dagster() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with pytest.raises(KeyboardInterrupt), StopSignals() as stop:
        with capture_interrupts():
            pass
        stop.raise_if_asked()
        send(signal.SIGTERM)


@pytest.mark.parametrize("number", STOPS)
def test_a_night_that_is_stopped_between_two_steps_does_not_end_with_0(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def night(*_: object) -> None:
        with capture_interrupts():
            send(number)

    monkeypatch.setattr(nightly, "load_settings", lambda: None)
    monkeypatch.setattr(runner, "open_instance", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(runner, "run_night", night)
    monkeypatch.setattr("sys.argv", ["billing-dq", "nightly"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err.strip() == "billing-dq: stopped"


@pytest.mark.parametrize("number", STOPS)
def test_a_demo_that_is_stopped_between_two_steps_of_a_night_does_not_end_with_0(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nights(*_: object) -> None:
        with capture_interrupts():
            send(number)

    monkeypatch.setattr(demo, "load", lambda *_, **__: type("World", (), {"stripe": {}}))
    monkeypatch.setattr(demo, "embedded_mongodb", lambda _: contextlib.nullcontext(type("Server", (), {"uri": ""})))
    monkeypatch.setattr(demo, "_configure", lambda *_: None)
    monkeypatch.setattr(demo, "_two_nights", nights)
    monkeypatch.setattr("sys.argv", ["billing-dq", "demo"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err.strip() == "billing-dq: stopped"
