"""What a route is told of each matter: once when it is new, once when it is worse by a step, once when it is over, and
louder when it comes back.

Pure: what is wrong now and what the route knows in, `TELLINGS` out. What was told is compared with what is, so a run
that is repeated tells nothing again, and what an earlier run could not tell is told by the next.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from billing_dq.reconcile.findings.severity import rank
from billing_dq.tables import MATTERS, TELLINGS, TOLD
from billing_dq.vocabulary.alerts import EVENTS, OPERATIONS, Event
from billing_dq.vocabulary.severities import SEVERITIES, Severity

_ROUNDING = 1e-6
_NOTHING = ""


@dataclass(frozen=True)
class Rule:
    """What a route wants to hear.

    Attributes:
        severity: the mildest that it is told of; a matter that comes back counts as one step more severe.
        kinds: the kinds that it is told of; empty: all.
        events: the events that it is told of; the others are only noted.
        min_units, min_cents: the smallest finding that it is told of; both have to be reached.
    """

    severity: Severity = "error"
    kinds: Collection[str] = ()
    events: Collection[Event] = EVENTS
    min_units: float = 0.0
    min_cents: int = 0


@dataclass(frozen=True)
class Steps:
    """By how much a matter has to grow since it was told last to be told as worse: in units, or in US cents."""

    units: float
    cents: int


def tellings(matters: pd.DataFrame, told: pd.DataFrame, rule: Rule, steps: Steps, closes: bool = True) -> pd.DataFrame:
    """What a route is told now, in `TELLINGS`: the loudest first, then by money, what is over last.

    Args:
        matters: `MATTERS` that are there now, quiet ones among them.
        told: `TOLD` of the route, about matters of the same origin.
        rule: what the route wants to hear.
        steps: what counts as worse.
        closes: whether a matter that is not there is over; not so where `matters` are single events.
    """
    known = told.set_index("matter_id").reindex(matters["matter_id"]).set_axis(matters.index)
    is_open = known["is_open"].astype("boolean").fillna(False).astype("bool")
    came_back = ~is_open & (matters["is_reopened"] | known["is_open"].notna())
    loudness = _louder(matters["severity"], came_back)
    passes = matters["quiet"].isna() & _passes(matters, loudness, rule)
    event = np.select(
        [
            passes & is_open & _is_worse(matters, known, steps),
            passes & came_back,
            passes & ~is_open,
            (matters["quiet"] == "accepted") & is_open,
        ],
        ["worse", "reopened", "new", "accepted"],
        _NOTHING,
    )
    now = matters.assign(event=pd.Series(event, index=matters.index, dtype="str"), loudness=loudness)
    now = now[now["event"] != _NOTHING].drop(columns=["quiet", "is_reopened"])
    over = told[told["is_open"] & ~told["matter_id"].isin(matters["matter_id"])] if closes else TOLD.empty()
    over = over.assign(event="resolved", loudness="info", sentence="", since=None).drop(columns="is_open")
    both = pd.concat([now, over], ignore_index=True)
    return _in_order(TELLINGS.conform(both.assign(is_said=both["event"].isin(list(rule.events)))))


def after(told: pd.DataFrame, happened: pd.DataFrame) -> pd.DataFrame:
    """What a route knows after it was told, in `TOLD`."""
    news = happened[[name for name in TOLD.column_names if name in happened.columns]]
    news = news.assign(is_open=happened["event"].isin(["new", "worse", "reopened"]))
    return TOLD.conform(pd.concat([told, news]).drop_duplicates("matter_id", keep="last"))


def quiet_ones(matters: pd.DataFrame) -> dict[str, int]:
    """How many matters nobody is told of, by the reason."""
    return {str(reason): int(count) for reason, count in MATTERS.conform(matters)["quiet"].value_counts().items()}


def _louder(severity: "pd.Series[str]", came_back: "pd.Series[bool]") -> "pd.Series[str]":
    """A matter that comes back is told one step more severe; information stays information."""
    place = rank(severity)
    place += (came_back & (place > 0)).astype("int64")
    return place.clip(upper=len(SEVERITIES) - 1).map(dict(enumerate(SEVERITIES))).astype("str")


def _passes(matters: pd.DataFrame, loudness: "pd.Series[str]", rule: Rule) -> "pd.Series[bool]":
    passes = rank(loudness) >= SEVERITIES.index(rule.severity)
    if rule.kinds:
        passes &= matters["kind"].isin(list(rule.kinds))
    large = (matters["units"].abs() >= rule.min_units) & (matters["usd_cents"].abs() >= rule.min_cents)
    return passes & (large | matters["kind"].isin(OPERATIONS))


def _is_worse(matters: pd.DataFrame, known: pd.DataFrame, steps: Steps) -> "pd.Series[bool]":
    """Severer than told, grown by a step, or by a step on the other side."""
    worse = rank(matters["severity"]) > rank(known["severity"].fillna(SEVERITIES[-1]))
    for amount, step in (("units", steps.units), ("usd_cents", float(steps.cents))):
        now, then = matters[amount].astype("float64"), known[amount].astype("float64").fillna(0.0)
        before = then.abs().where(now * then >= 0, 0.0)
        worse |= now.abs() >= before + step - _ROUNDING
    return worse


def _in_order(happened: pd.DataFrame) -> pd.DataFrame:
    order = pd.DataFrame(
        {
            "over": happened["event"] == "resolved",
            "loudness": -rank(happened["loudness"]),
            "money": -happened["usd_cents"].abs(),
            "units": -happened["units"].abs(),
            "id": happened["matter_id"],
        }
    )
    return happened.loc[order.sort_values(list(order.columns)).index].reset_index(drop=True)
