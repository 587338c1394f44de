"""What was told is told once, through crashes, dead targets and two processes; a message arrives at least once."""

import contextlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from billing_dq.alerts.delivery import Clock
from billing_dq.alerts.desk import Desk, Occasion, undelivered
from billing_dq.alerts.message import Message
from billing_dq.alerts.record import AlertRecord
from billing_dq.errors import SourceError
from billing_dq.settings import Route
from tests.support import alerting
from tests.support.alerting import AT, Ticking, matter, matters


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
def desk(tmp_path: Path, targets: Targets, ticking: Ticking) -> Desk:
    return Desk(alerting.settings(tmp_path, ops={}, finance={}), targets.send, ticking.clock)


def occasion(*rows: dict[str, object], about: str = "x") -> Occasion:
    return Occasion("night", about, matters(*rows))


def records(desk: Desk) -> list[str]:
    lines = AlertRecord(desk.settings.home).path.read_text().splitlines()
    return [json.loads(line)["record"] for line in lines]


def test_every_route_gets_one_message_with_an_intent_before_and_a_receipt_after(desk: Desk, targets: Targets) -> None:
    assert desk.tell(occasion(matter("a"), matter("b"))) == 2
    assert targets.asked == 0
    assert records(desk) == ["told", "told"]
    assert desk.deliver() == []
    assert targets.taken == [("ops", "billing_dq, x: 2 new"), ("finance", "billing_dq, x: 2 new")]
    assert records(desk) == ["told", "told", "sent", "sent"]


def test_a_night_that_is_run_again_tells_nothing_again_and_what_it_found_in_addition_once(
    desk: Desk, targets: Targets
) -> None:
    for rows in (["a"], ["a"], ["a", "b"], ["a", "b"]):
        desk.tell(occasion(*(matter(name) for name in rows)))
        desk.deliver()
    assert [title for name, title in targets.taken if name == "ops"] == ["billing_dq, x: 1 new"] * 2


def test_a_dead_target_is_tried_with_doubling_patience_and_holds_up_no_other(
    desk: Desk, targets: Targets, ticking: Ticking
) -> None:
    targets.dead = {"ops"}
    desk.tell(occasion(matter("a"), about="first"))
    desk.tell(occasion(matter("a"), matter("b"), about="second"))
    waiting = desk.deliver()
    assert ticking.slept == [5.0, 10.0]
    assert targets.taken == [("finance", "billing_dq, first: 1 new"), ("finance", "billing_dq, second: 1 new")]
    assert [one.message.title for one in waiting] == ["billing_dq, first: 1 new", "billing_dq, second: 1 new"]
    said = undelivered(waiting)
    assert said == "route ops: 2 not delivered since 2026-11-21 02:30 UTC: JSON: the target answered with HTTP 500"


def test_what_waits_is_sent_once_the_target_is_back_the_oldest_first(desk: Desk, targets: Targets) -> None:
    targets.dead = {"ops"}
    for night in (["a"], ["a", "b"]):
        desk.tell(occasion(*(matter(name) for name in night), about=f"night {len(night)}"))
        desk.deliver()
    targets.dead, targets.taken = set(), []
    assert desk.deliver() == []
    assert targets.taken == [("ops", "billing_dq, night 1: 1 new"), ("ops", "billing_dq, night 2: 1 new")]
    assert desk.deliver() == []
    assert len(targets.taken) == 2


def test_a_tick_tries_once_and_leaves_a_target_alone_for_a_while_after_it_failed(
    desk: Desk, targets: Targets, ticking: Ticking
) -> None:
    targets.dead = {"ops", "finance"}
    desk.tell(occasion(matter("a")))
    desk.deliver_quickly()
    assert (targets.asked, ticking.slept) == (2, [])
    ticking.at += timedelta(minutes=14)
    desk.deliver_quickly()
    assert targets.asked == 2
    ticking.at += timedelta(minutes=1)
    targets.dead = set()
    assert desk.deliver_quickly() == []
    assert len(targets.taken) == 2


def test_a_crash_between_sending_and_the_receipt_sends_again(desk: Desk, targets: Targets) -> None:
    desk.tell(occasion(matter("a")))

    def crashing(name: str, route: Route, message: Message, seconds: float) -> str | None:
        targets.send(name, route, message, seconds)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(desk, send_to=crashing).deliver()
    desk.deliver()
    assert [name for name, _ in targets.taken] == ["ops", "ops", "finance"]


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_line_that_a_crash_cut_tells_nothing_and_the_next_run_tells_it(
    desk: Desk, targets: Targets, kept: float
) -> None:
    desk.tell(occasion(matter("a")))
    path = AlertRecord(desk.settings.home).path
    first, second, _ = path.read_bytes().split(b"\n")
    path.write_bytes(first + b"\n" + second[: int(len(second) * kept)])
    desk.tell(occasion(matter("a")))
    desk.deliver()
    assert targets.taken == [("ops", "billing_dq, x: 1 new"), ("finance", "billing_dq, x: 1 new")]


def test_a_second_process_that_sends_is_not_disturbed_by_a_tick(desk: Desk, targets: Targets) -> None:
    desk.tell(occasion(matter("a")))
    with AlertRecord(desk.settings.home).sending(wait=False) as is_mine:
        assert is_mine
        assert len(desk.deliver_quickly()) == 2
    assert targets.asked == 0


def test_a_route_that_was_taken_away_waits_for_nothing(desk: Desk, targets: Targets, tmp_path: Path) -> None:
    targets.dead = {"ops"}
    desk.tell(occasion(matter("a")))
    assert len(desk.deliver()) == 1
    assert Desk(alerting.settings(tmp_path, finance={})).waiting() == []


def test_a_new_route_is_told_of_everything_that_is_open_in_one_message(
    desk: Desk, targets: Targets, tmp_path: Path
) -> None:
    desk.tell(occasion(matter("a"), matter("b")))
    desk.deliver()
    later = Desk(alerting.settings(tmp_path, ops={}, pager={}), targets.send)
    later.tell(occasion(matter("a"), matter("b"), matter("c")))
    later.deliver()
    assert targets.taken[2:] == [("ops", "billing_dq, x: 1 new"), ("pager", "billing_dq, x: 3 new")]


def test_what_is_absent_is_over_for_its_own_origin_only(desk: Desk, targets: Targets) -> None:
    desk.tell(occasion(matter("a")))
    assert desk.tell(Occasion("nights", "the nights", matters())) == 0
    assert desk.tell(occasion()) == 2


def test_without_a_route_the_messages_stand_in_the_file_only(tmp_path: Path) -> None:
    desk = Desk(alerting.settings(tmp_path))
    (tmp_path / "alerts.jsonl").write_text('{"at": "2026-01-01", "about": "failed_run"}\n')  # an older version's
    assert desk.tell(occasion(matter("a"))) == 1
    assert desk.deliver() == []
    assert "billing_dq, x: 1 new" in (tmp_path / "alerts.jsonl").read_text()


def test_a_home_that_cannot_be_appended_to_is_refused_in_one_line() -> None:
    with pytest.raises(SourceError, match="need a local directory"):
        Desk(alerting.settings(Path("x")).model_copy(update={"home": "memory://x"})).tell(occasion(matter("a")))


def test_a_record_that_somebody_changed_is_named(desk: Desk) -> None:
    AlertRecord(desk.settings.home).path.write_text('{"record": "told"}\n')
    with pytest.raises(SourceError, match="holds a record that is not whole"):
        desk.waiting()


_NIGHTS = st.lists(st.tuples(st.sets(st.sampled_from("abc")), st.sampled_from(["up", "down", "crash"])), max_size=8)


@settings(max_examples=40)
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

    desk = Desk(alerting.settings(tmp_path_factory.mktemp("home"), ops={}), send, Clock(lambda: AT, lambda _: None))
    expected, before = [], set()
    for number, (names, how) in enumerate([*nights, (set(), "up")]):
        state["how"] = how
        desk.tell(replace(occasion(*(matter(name) for name in sorted(names))), lead=f"{number}."))
        with contextlib.suppress(KeyboardInterrupt):
            desk.deliver()
        if names ^ before:
            expected.append((number, len(names - before), len(before - names)))
        before = names
    state["how"] = "up"
    assert desk.deliver() == []
    told = [
        (number, text.count("\n\nNEW ") + text.count("\n\nREOPENED "), text.count("\n\nRESOLVED "))
        for number, text in sorted(received.items())
    ]
    assert told == expected
