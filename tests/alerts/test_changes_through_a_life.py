"""Random lives of alerts against a plain reference: nothing is told twice, and nothing is forgotten."""

from dataclasses import dataclass

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from billing_dq.alerts.changes import Rule, Steps, changes
from billing_dq.tables import NOTIFIED_ALERTS
from billing_dq.vocabulary.severities import SEVERITIES
from tests.support.alerting import after, alert, alerts
from tests.support.examples import examples

STEPS = Steps(units=100.0, cents=10)
NAMES = ("a", "b", "c")
_QUIET = (None, None, None, "accepted", "undecided", "not_examined")

_matter = st.fixed_dictionaries(
    {
        "severity": st.sampled_from(SEVERITIES),
        "units": st.integers(-300, 300).map(float),
        "usd_cents": st.integers(-30, 30),
        "silenced": st.sampled_from(_QUIET),
        "is_reopened": st.booleans(),
    }
)
_nights = st.lists(st.dictionaries(st.sampled_from(NAMES), _matter), max_size=12)
_rules = st.builds(
    Rule,
    severity=st.sampled_from(SEVERITIES),
    min_units=st.sampled_from([0.0, 50.0]),
    min_cents=st.sampled_from([0, 5]),
    events=st.sets(st.sampled_from(["new", "worse", "reopened", "resolved"]), min_size=1),
)


@dataclass
class Known:
    """What the reference remembers of an alert."""

    is_open: bool
    severity: int
    units: float
    cents: int


def reference(nights: list[dict[str, dict]], rule: Rule) -> list[dict[str, str]]:
    """One alert at a time, as docs and comments say it: by night, the events that the route hears."""
    known: dict[str, Known] = {}
    heard = []
    for night in nights:
        said: dict[str, str] = {}
        for name, one in night.items():
            event = happened(one, known.get(name), rule)
            if event == "accepted":
                known[name].is_open = False
            elif event:
                known[name] = Known(True, SEVERITIES.index(one["severity"]), one["units"], one["usd_cents"])
                said[name] = event
        for name, then in known.items():
            if then.is_open and name not in night:
                then.is_open = False
                said[name] = "resolved"
        heard.append({name: event for name, event in said.items() if event in rule.events})
    return heard


def happened(one: dict, then: Known | None, rule: Rule) -> str:
    is_open = then is not None and then.is_open
    if one["silenced"] == "accepted":
        return "accepted" if is_open else ""
    comes_back = not is_open and (one["is_reopened"] or then is not None)
    severity = SEVERITIES.index(one["severity"])
    urgency = min(severity + 1, 3) if comes_back and severity else severity
    if one["silenced"] or urgency < SEVERITIES.index(rule.severity):
        return ""
    if abs(one["units"]) < rule.min_units or abs(one["usd_cents"]) < rule.min_cents:
        return ""
    if then is None or not is_open:
        return "reopened" if comes_back else "new"
    sides = ((one["units"], then.units, STEPS.units), (one["usd_cents"], then.cents, STEPS.cents))
    grown = any(abs(now) >= (abs(before) if now * before >= 0 else 0) + step for now, before, step in sides)
    return "worse" if grown or severity > then.severity else ""


def taken(nights: list[dict[str, dict]], rule: Rule, times: int = 1) -> list[dict[str, str]]:
    """The same by the package, each night taken some times."""
    known, heard = NOTIFIED_ALERTS.empty(), []
    for night in nights:
        said: dict[str, str] = {}
        for _ in range(times):
            frame: pd.DataFrame = alerts(*(alert(name, **one) for name, one in night.items()))
            news = changes(frame, known, rule, STEPS)
            known = after(known, news)
            for name, event in zip(news["alert_id"], news["event"].where(news["is_sent"]), strict=True):
                if isinstance(event, str):
                    assert name not in said
                    said[name] = event
        heard.append(said)
    return heard


@examples(60)
@given(_nights, _rules)
def test_a_life_is_told_as_the_plain_reference_tells_it_and_a_night_taken_again_tells_nothing_again(
    nights: list[dict[str, dict]], rule: Rule
) -> None:
    expected = reference(nights, rule)
    assert taken(nights, rule) == expected
    assert taken(nights, rule, times=2) == expected
