"""What a route is notified of: an alert that is new, worse by a step, over, or back (one severity higher).

See docs/tables.md, "What a route is told". Pure: the open alerts and what the route knows go in, `ALERT_CHANGES` come
out. Both are compared, so a run that is repeated notifies of nothing again, and what an earlier run could not send is
sent by the next.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from billing_dq.reconcile.findings.severity import rank
from billing_dq.tables import ALERT_CHANGES, ALERTS, NOTIFIED_ALERTS
from billing_dq.vocabulary.alerts import EVENTS, ON_EVERY_ROUTE, OPERATIONS, Event
from billing_dq.vocabulary.severities import SEVERITIES, Severity

_ROUNDING = 1e-6


@dataclass(frozen=True)
class Rule:
    """What a route wants to hear.

    Attributes:
        severity: the mildest that it is notified of; an alert that comes back counts as one step more severe.
        kinds: the kinds that it is notified of; empty: all.
        events: the events that it is notified of; the others are only remembered.
        min_units, min_cents: the smallest finding that it is notified of; both have to be reached.
    """

    severity: Severity = "error"
    kinds: Collection[str] = ()
    events: Collection[Event] = EVENTS
    min_units: float = 0.0
    min_cents: int = 0


@dataclass(frozen=True)
class Steps:
    """By how much an alert grows, since its last notification, until it counts as worse: in units, or in US cents."""

    units: float
    cents: int


def changes(
    alerts: pd.DataFrame, notified: pd.DataFrame, rule: Rule, steps: Steps, closes: bool = True
) -> pd.DataFrame:
    """What a route is notified of now, in `ALERT_CHANGES`: the most urgent first, then by money, what is over last.

    Args:
        alerts: `ALERTS` that are open now, silenced ones among them.
        notified: `NOTIFIED_ALERTS` of the route, about alerts of the same origin.
        rule: what the route wants to hear.
        steps: by how much an alert grows until it counts as worse.
        closes: whether an alert that is not there is over; not so where `alerts` are single events.
    """
    before = notified.set_index("alert_id").reindex(alerts["alert_id"]).set_axis(alerts.index)
    is_open = before["is_open"].astype("boolean").fillna(False).astype("bool")
    came_back = ~is_open & (alerts["is_reopened"] | before["is_open"].notna())
    urgency = _urgency(alerts["severity"], came_back)
    passes = alerts["silenced"].isna() & _passes(alerts, urgency, rule)
    event = np.select(
        [
            passes & is_open & _is_worse(alerts, before, steps),
            passes & came_back,
            passes & ~is_open,
            (alerts["silenced"] == "accepted") & is_open,
        ],
        ["worse", "reopened", "new", "accepted"],
        "",
    )
    changed = alerts.assign(event=pd.Series(event, index=alerts.index, dtype="str"), urgency=urgency)
    changed = changed[changed["event"] != ""].drop(columns=["silenced", "is_reopened"])
    is_resolved = notified["is_open"] & ~notified["alert_id"].isin(alerts["alert_id"]) & closes
    resolved = notified[is_resolved].assign(event="resolved", urgency="info", sentence="", since=None)
    events = pd.concat([changed, resolved.drop(columns="is_open")], ignore_index=True)
    return _in_order(ALERT_CHANGES.conform(events.assign(is_sent=events["event"].isin(list(rule.events)))))


def notified_after(changed: pd.DataFrame) -> pd.DataFrame:
    """`NOTIFIED_ALERTS` of a route once it is notified of `ALERT_CHANGES`."""
    notified = changed.assign(is_open=changed["event"].isin(["new", "worse", "reopened"]))
    return NOTIFIED_ALERTS.conform(notified[NOTIFIED_ALERTS.column_names])


def silenced_counts(alerts: pd.DataFrame) -> dict[str, int]:
    """How many alerts nobody is notified of, by the reason."""
    return {str(reason): int(count) for reason, count in ALERTS.conform(alerts)["silenced"].value_counts().items()}


def _urgency(severity: "pd.Series[str]", came_back: "pd.Series[bool]") -> "pd.Series[str]":
    """An alert that comes back is one step more severe; information stays information."""
    urgency = rank(severity)
    urgency += (came_back & (urgency > 0)).astype("int64")
    return urgency.clip(upper=len(SEVERITIES) - 1).map(dict(enumerate(SEVERITIES))).astype("str")


def _passes(alerts: pd.DataFrame, urgency: "pd.Series[str]", rule: Rule) -> "pd.Series[bool]":
    passes = rank(urgency) >= SEVERITIES.index(rule.severity)
    if rule.kinds:
        passes &= alerts["kind"].isin(list(rule.kinds))
    large = (alerts["units"].abs() >= rule.min_units) & (alerts["usd_cents"].abs() >= rule.min_cents)
    return (passes & (large | alerts["kind"].isin(OPERATIONS))) | alerts["kind"].isin(ON_EVERY_ROUTE)


def _is_worse(alerts: pd.DataFrame, before: pd.DataFrame, steps: Steps) -> "pd.Series[bool]":
    """Severer than before, grown by a step, or by a step on the other side."""
    worse = rank(alerts["severity"]) > rank(before["severity"].fillna(SEVERITIES[-1]))
    for amount, step in (("units", steps.units), ("usd_cents", float(steps.cents))):
        amount_now, amount_before = alerts[amount].astype("float64"), before[amount].astype("float64").fillna(0.0)
        same_side = amount_before.abs().where(amount_now * amount_before >= 0, 0.0)
        worse |= amount_now.abs() >= same_side + step - _ROUNDING
    return worse


def _in_order(changed: pd.DataFrame) -> pd.DataFrame:
    order = pd.DataFrame(
        {
            "over": changed["event"] == "resolved",
            "urgency": -rank(changed["urgency"]),
            "money": -changed["usd_cents"].abs(),
            "units": -changed["units"].abs(),
            "id": changed["alert_id"],
        }
    )
    return changed.loc[order.sort_values(list(order.columns)).index].reset_index(drop=True)
