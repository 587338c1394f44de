"""A change is notified once, through crashes, dead targets and two processes; a notification arrives at least once."""

import contextlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.alerts.changes import Rule, Steps, changes, notified_after
from billing_dq.alerts.message import Message
from billing_dq.alerts.notifier import AlertBatch, Clock, Notifier, undelivered
from billing_dq.alerts.outbox import Outbox
from billing_dq.errors import SourceError
from billing_dq.settings import Route
from billing_dq.tables import NOTIFIED_ALERTS
from tests.support import alerting
from tests.support.alerting import AT, Ticking, alert, alerts
from tests.support.examples import examples


class Targets:
    """Targets that take messages or do not, by route."""

    def __init__(self) -> None:
        self.dead: set[str] = set()
        self.taken: list[tuple[str, str]] = []
        self.asked = 0

    def send(self, name: str, _route: Route, message: Message, _seconds: float) -> str | None:
        self.asked += 1
        if name in self.dead:
            return "JSON: the target answered with HTTP 500"
        self.taken.append((name, message.title))
        return None


@pytest.fixture
def targets() -> Targets:
    return Targets()


@pytest.fixture
def ticking() -> Ticking:
    return Ticking()


@pytest.fixture
def notifier(tmp_path: Path, targets: Targets, ticking: Ticking) -> Notifier:
    return Notifier(alerting.settings(tmp_path, ops={}, finance={}), targets.send, ticking.clock)


def batch(*rows: dict[str, object], topic: str = "x") -> AlertBatch:
    return AlertBatch("night", topic, alerts(*rows))


def states(notifier: Notifier) -> list[str]:
    """Of each notification whether it waits or is delivered, oldest first."""
    notifications = Outbox(notifier.settings.home).newest(10)
    return ["waits" if notification.delivered_at is None else "delivered" for notification in notifications]


def test_every_route_gets_one_message_with_an_intent_before_and_a_receipt_after(
    notifier: Notifier, targets: Targets
) -> None:
    assert notifier.notify(batch(alert("a"), alert("b"))) == 2
    assert targets.asked == 0
    assert states(notifier) == ["waits", "waits"]
    assert notifier.deliver() == []
    assert targets.taken == [("ops", "billing_dq, x: 2 new"), ("finance", "billing_dq, x: 2 new")]
    assert states(notifier) == ["delivered", "delivered"]


def test_a_night_that_is_run_again_tells_nothing_again_and_what_it_found_in_addition_once(
    notifier: Notifier, targets: Targets
) -> None:
    for rows in (["a"], ["a"], ["a", "b"], ["a", "b"]):
        notifier.notify(batch(*(alert(name) for name in rows)))
        notifier.deliver()
    assert [title for name, title in targets.taken if name == "ops"] == ["billing_dq, x: 1 new"] * 2


def test_a_dead_target_is_tried_with_doubling_patience_and_holds_up_no_other(
    notifier: Notifier, targets: Targets, ticking: Ticking
) -> None:
    targets.dead = {"ops"}
    notifier.notify(batch(alert("a"), topic="first"))
    notifier.notify(batch(alert("a"), alert("b"), topic="second"))
    waiting = notifier.deliver()
    assert ticking.slept == [5.0, 10.0]
    assert targets.taken == [("finance", "billing_dq, first: 1 new"), ("finance", "billing_dq, second: 1 new")]
    assert [one.message.title for one in waiting] == ["billing_dq, first: 1 new", "billing_dq, second: 1 new"]
    said = undelivered(waiting)
    assert said == "route ops: 2 not delivered since 2026-11-21 02:30 UTC: JSON: the target answered with HTTP 500"


def test_what_waits_is_sent_once_the_target_is_back_the_oldest_first(notifier: Notifier, targets: Targets) -> None:
    targets.dead = {"ops"}
    for night in (["a"], ["a", "b"]):
        notifier.notify(batch(*(alert(name) for name in night), topic=f"night {len(night)}"))
        notifier.deliver()
    targets.dead, targets.taken = set(), []
    assert notifier.deliver() == []
    assert targets.taken == [("ops", "billing_dq, night 1: 1 new"), ("ops", "billing_dq, night 2: 1 new")]
    assert notifier.deliver() == []
    assert len(targets.taken) == 2


def test_a_tick_tries_once_and_leaves_a_target_alone_for_a_while_after_it_failed(
    notifier: Notifier, targets: Targets, ticking: Ticking
) -> None:
    targets.dead = {"ops", "finance"}
    notifier.notify(batch(alert("a")))
    notifier.deliver_quickly()
    assert (targets.asked, ticking.slept) == (2, [])
    ticking.at += timedelta(minutes=14)
    notifier.deliver_quickly()
    assert targets.asked == 2
    ticking.at += timedelta(minutes=1)
    targets.dead = set()
    assert notifier.deliver_quickly() == []
    assert len(targets.taken) == 2


def test_a_crash_between_sending_and_the_receipt_sends_again(notifier: Notifier, targets: Targets) -> None:
    notifier.notify(batch(alert("a")))

    def crashing(name: str, route: Route, message: Message, seconds: float) -> str | None:
        targets.send(name, route, message, seconds)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(notifier, send_to=crashing).deliver()
    notifier.deliver()
    assert [name for name, _ in targets.taken] == ["ops", "ops", "finance"]


def test_what_a_decision_wrote_before_it_failed_is_not_there_and_the_next_run_decides_anew(
    notifier: Notifier, targets: Targets
) -> None:
    changed = changes(alerts(alert("a")), NOTIFIED_ALERTS.empty(), Rule(), Steps(units=1.0, cents=1))
    with contextlib.suppress(KeyboardInterrupt), Outbox(notifier.settings.home).deciding() as decision:
        decision.remember("ops", "night", notified_after(changed))
        decision.add("ops", AT, Message("billing_dq, x: 1 new", "", "error"))
        raise KeyboardInterrupt
    notifier.notify(batch(alert("a")))
    notifier.deliver()
    assert targets.taken == [("ops", "billing_dq, x: 1 new"), ("finance", "billing_dq, x: 1 new")]


def test_a_second_process_that_sends_is_not_disturbed_by_a_tick(notifier: Notifier, targets: Targets) -> None:
    notifier.notify(batch(alert("a")))
    with Outbox(notifier.settings.home).sending(wait=False) as is_our_turn:
        assert is_our_turn
        assert len(notifier.deliver_quickly()) == 2
    assert targets.asked == 0


def test_a_route_that_was_taken_away_waits_for_nothing(notifier: Notifier, targets: Targets, tmp_path: Path) -> None:
    targets.dead = {"ops"}
    notifier.notify(batch(alert("a")))
    assert len(notifier.deliver()) == 1
    assert Notifier(alerting.settings(tmp_path, finance={})).waiting() == []


def test_a_new_route_is_told_of_everything_that_is_open_in_one_message(
    notifier: Notifier, targets: Targets, tmp_path: Path
) -> None:
    notifier.notify(batch(alert("a"), alert("b")))
    notifier.deliver()
    later = Notifier(alerting.settings(tmp_path, ops={}, pager={}), targets.send)
    later.notify(batch(alert("a"), alert("b"), alert("c")))
    later.deliver()
    assert targets.taken[2:] == [("ops", "billing_dq, x: 1 new"), ("pager", "billing_dq, x: 3 new")]


def test_what_is_absent_is_over_for_its_own_origin_only(notifier: Notifier, targets: Targets) -> None:
    notifier.notify(batch(alert("a")))
    assert notifier.notify(AlertBatch("nights", "the nights", alerts())) == 0
    assert notifier.notify(batch()) == 2


def test_without_a_route_the_notifications_stay_in_the_outbox(tmp_path: Path) -> None:
    notifier = Notifier(alerting.settings(tmp_path))
    assert notifier.notify(batch(alert("a"))) == 1
    assert notifier.deliver() == []
    (notification,) = Outbox(str(tmp_path)).newest(10)
    assert (notification.route, notification.message.title) == ("file", "billing_dq, x: 1 new")


def test_a_home_that_cannot_be_appended_to_is_refused_in_one_line() -> None:
    with pytest.raises(SourceError, match="needs a local directory"):
        Notifier(alerting.settings(Path("x")).model_copy(update={"home": "memory://x"})).notify(batch(alert("a")))


def test_a_file_that_is_no_outbox_is_named(notifier: Notifier) -> None:
    Outbox(notifier.settings.home).path.write_text("not a database, and long enough for SQLite to look at it" * 20)
    with pytest.raises(SourceError, match=r"billing_dq\.sqlite cannot be read: file is not a database"):
        notifier.waiting()


_NIGHTS = st.lists(st.tuples(st.sets(st.sampled_from("abc")), st.sampled_from(["up", "down", "crash"])), max_size=8)


@examples(40)
@given(nights=_NIGHTS)
def test_through_outages_and_crashes_no_change_is_lost_and_none_is_told_twice_by_messages_that_differ(
    nights: list[tuple[set[str], str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    received: dict[int, str] = {}
    state = {"how": "up"}

    def send(_name: str, _route: Route, message: Message, _seconds: float) -> str | None:
        if state["how"] == "down":
            return "down"
        received[int(message.text.split()[0].rstrip("."))] = message.text
        if state["how"] == "crash":
            raise KeyboardInterrupt
        return None

    notifier = Notifier(
        alerting.settings(tmp_path_factory.mktemp("home"), ops={}), send, Clock(lambda: AT, lambda _: None)
    )
    expected, before = [], set()
    for number, (names, how) in enumerate([*nights, (set(), "up")]):
        state["how"] = how
        notifier.notify(replace(batch(*(alert(name) for name in sorted(names))), lead=f"{number}."))
        with contextlib.suppress(KeyboardInterrupt):
            notifier.deliver()
        if names ^ before:
            expected.append((number, len(names - before), len(before - names)))
        before = names
    state["how"] = "up"
    assert notifier.deliver() == []
    told = [
        (number, text.count("\n\nNEW ") + text.count("\n\nREOPENED "), text.count("\n\nRESOLVED "))
        for number, text in sorted(received.items())
    ]
    assert told == expected
