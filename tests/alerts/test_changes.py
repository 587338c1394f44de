"""A route is told once when an alert is new, worse by a step or over, and louder when it comes back."""

import pandas as pd
import pytest

from billing_dq.alerts.changes import Rule, Steps, changes, silenced_counts
from billing_dq.tables import NOTIFIED_ALERTS
from tests.support.alerting import after, alert, alerts

STEPS = Steps(units=500.0, cents=50)
HEARS_ALL = Rule(severity="info")


def lives(*nights: pd.DataFrame, rule: Rule = HEARS_ALL) -> list[list[tuple[str, str, str]]]:
    """What a route is told on each night: event, alert and urgency."""
    known, heard = NOTIFIED_ALERTS.empty(), []
    for night in nights:
        happened = changes(night, known, rule, STEPS)
        known = after(known, happened)
        said = happened[happened["is_sent"]]
        heard.append(list(zip(said["event"], said["alert_id"], said["urgency"], strict=True)))
    return heard


def test_an_alert_is_told_once_however_often_it_is_there() -> None:
    night = alerts(alert("a"))
    assert lives(night, night, night) == [[("new", "a", "error")], [], []]


def test_an_alert_that_is_over_is_told_once() -> None:
    assert lives(alerts(alert("a")), alerts(), alerts())[1:] == [[("resolved", "a", "info")], []]


def test_an_alert_that_comes_back_is_one_step_louder() -> None:
    nights = [alerts(alert("a", severity="warning")), alerts(), alerts(alert("a", severity="warning"))]
    assert lives(*nights)[2] == [("reopened", "a", "error")]
    assert lives(alerts(alert("b", is_reopened=True))) == [[("reopened", "b", "critical")]]


def test_an_alert_that_comes_back_reaches_a_route_of_the_next_severity_and_information_does_not() -> None:
    night = alerts(alert("a", is_reopened=True, severity="warning"), alert("b", is_reopened=True, severity="info"))
    assert lives(night, rule=Rule(severity="error")) == [[("reopened", "a", "error")]]
    assert lives(night, rule=Rule(severity="warning")) == [[("reopened", "a", "error")]]


@pytest.mark.parametrize(
    ("units", "cents", "worse"),
    [
        (1000.0, 149, False),
        (1000.0, 150, True),
        (1499.0, 100, False),
        (1500.0, 100, True),
        (-1499.0, -49, True),
        (-499.0, -49, False),
        (0.0, 0, False),
    ],
)
def test_an_alert_is_worse_once_it_has_grown_by_a_step_or_by_a_step_on_the_other_side(
    units: float, cents: int, worse: bool
) -> None:
    grown = alerts(alert("a", units=units, usd_cents=cents))
    assert lives(alerts(alert("a")), grown)[1] == ([("worse", "a", "error")] if worse else [])


def test_growth_counts_from_what_was_told_last_so_that_small_steps_add_up() -> None:
    nights = [alerts(alert("a", units=units)) for units in (1000.0, 1300.0, 1600.0, 1900.0, 2100.0)]
    assert [len(told) for told in lives(*nights)] == [1, 0, 1, 0, 1]


def test_a_severer_alert_is_worse_and_a_milder_one_is_not() -> None:
    nights = [alerts(alert("a", severity=severity)) for severity in ("error", "warning", "error", "critical")]
    assert [len(told) for told in lives(*nights)] == [1, 0, 0, 1]


def test_what_is_accepted_undecided_or_not_examined_is_counted_and_never_told() -> None:
    night = alerts(*(alert(reason, silenced=reason) for reason in ("accepted", "undecided", "not_examined")))
    assert lives(night, night) == [[], []]
    assert silenced_counts(night) == {"accepted": 1, "undecided": 1, "not_examined": 1}


def test_an_accepted_alert_that_comes_back_is_told_as_reopened_and_its_end_is_not_told() -> None:
    accepted = alerts(alert("a", silenced="accepted"))
    assert lives(alerts(alert("a")), accepted, alerts(alert("a")))[1:] == [[], [("reopened", "a", "critical")]]
    assert lives(alerts(alert("a")), accepted, alerts())[1:] == [[], []]


def test_an_alert_that_one_night_could_not_examine_is_not_over() -> None:
    unexamined = alerts(alert("a", silenced="not_examined"))
    assert lives(alerts(alert("a")), unexamined, alerts(alert("a")))[1:] == [[], []]


@pytest.mark.parametrize(
    "rule",
    [
        Rule(severity="critical"),
        Rule(kinds=["runaway_balance"]),
        Rule(min_cents=101),
        Rule(min_units=1001.0),
    ],
)
def test_a_route_hears_only_what_is_severe_and_large_enough_and_of_its_kinds(rule: Rule) -> None:
    assert lives(alerts(alert("a", severity="error")), alerts(), rule=rule) == [[], []]


def test_money_does_not_keep_a_missing_night_from_a_route() -> None:
    night = alerts(alert("a", kind="missing_nights", units=1.0, usd_cents=0))
    assert lives(night, rule=Rule(min_cents=1000, min_units=1000.0)) == [[("new", "a", "error")]]


def test_what_a_route_does_not_want_to_hear_is_noted_so_that_the_rest_stays_right() -> None:
    nights = [alerts(alert("a")), alerts(), alerts(alert("a"))]
    assert lives(*nights, rule=Rule(events=["reopened"])) == [[], [], [("reopened", "a", "critical")]]
    assert lives(*nights, rule=Rule(events=["new"])) == [[("new", "a", "error")], [], []]


def test_single_events_say_nothing_of_what_is_absent() -> None:
    known = after(NOTIFIED_ALERTS.empty(), changes(alerts(alert("a")), NOTIFIED_ALERTS.empty(), HEARS_ALL, STEPS))
    assert changes(alerts(alert("b")), known, HEARS_ALL, STEPS, closes=False)["event"].tolist() == ["new"]


def test_the_loudest_comes_first_then_the_money_and_what_is_over_last() -> None:
    first = alerts(alert("over", severity="critical"))
    second = alerts(
        alert("small"),
        alert("large", usd_cents=-900),
        alert("loud", severity="critical"),
        alert("b", usd_cents=101),
    )
    assert [name for _, name, _ in lives(first, second)[1]] == ["loud", "large", "b", "small", "over"]
