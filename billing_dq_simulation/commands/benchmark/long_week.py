"""One organization's week with very many keys, whatever its history: the work of its explanation must stay linear."""

import time
from datetime import timedelta

import numpy as np
import pandas as pd

from billing_dq.reconcile.meter.context import MeterContext
from billing_dq.reconcile.meter.meter_extras import reconcile_meter
from billing_dq.reconcile.meter.quota.events import QuotaEvents
from billing_dq.tables import EXTRAS_BALANCES, LEDGER_ENTRIES, SUBSCRIPTIONS, UNREADABLE_KEYS, WEEKLY_USAGE
from billing_dq.units import Tolerance
from billing_dq.weeks import NightWeeks
from billing_dq_simulation.commands.benchmark.night import AS_OF

#: A document of MongoDB holds about so many keys.
KEYS = 40_000
_ORGANIZATION = "6a0000000000000000000001"
_NIGHT = NightWeeks(AS_OF, 3, 6)
_WEEK = _NIGHT.weeks[-2]
_SATURDAY = _WEEK.start + timedelta(days=5)
#: What makes a week hard: changes that may have come anywhere in it, and nothing that tells where.
_HISTORIES: tuple[dict[str, object], ...] = (
    {"plan": "free", "last_subscription_event_at": _SATURDAY, "updated_at": _SATURDAY},
    {"plan": "free", "status": "canceled", "last_subscription_event_at": _SATURDAY},
    {"plan": "free", "status": "unpaid", "admin_updated_at": _SATURDAY, "stripe_subscription_id": "sub_1"},
    {"plan": "pro", "admin_updated_at": _WEEK.start, "stripe_subscription_id": "sub_1"},
)


def slowest_long_week(keys: int = KEYS) -> float:
    """Seconds for a week of so many keys whose meter is 500 units too high, under the history that takes longest."""
    overdue = QuotaEvents(_no_changes(), _no_changes(), _WEEK.start - timedelta(weeks=1), frozenset(), _overdue())
    at_stripe: dict[str, object] = {"plan": "pro", "stripe_subscription_id": "sub_1", "updated_at": _SATURDAY}
    timed = [_seconds(keys, history, None) for history in _HISTORIES]
    return max(*timed, _seconds(keys, at_stripe, overdue))


def _seconds(keys: int, history: dict[str, object], events: QuotaEvents | None) -> float:
    refs = [f"{int(_WEEK.start.timestamp()) + 10 * place:08x}{place:016x}:initial" for place in range(keys)]
    at = pd.Timestamp(_WEEK.start) + pd.to_timedelta(np.arange(keys) * 10 + 1, unit="s")
    usage = WEEKLY_USAGE.from_rows([_row(WEEKLY_USAGE.column_names) | _document(keys)])
    entries = LEDGER_ENTRIES.conform(
        pd.DataFrame(
            _row(LEDGER_ENTRIES.column_names)
            | {
                "organization_id": _ORGANIZATION,
                "position": np.arange(keys),
                "entry_id": [f"{place:024x}" for place in range(keys)],
                "kind": "debit",
                "amount": -1.0,
                "ref_id": refs,
                "at": at,
            }
        )
    )
    balance = {"organization_id": _ORGANIZATION, "cached_balance": 0.0, "ledger_sum": 0.0, "entry_count": keys}
    context = MeterContext(
        night=_NIGHT,
        tolerance=Tolerance(),
        quota_of_plan={"free": 0.0, "starter": 500.0, "pro": 5000.0, "enterprise": 20000.0},
        subscriptions=SUBSCRIPTIONS.from_rows(
            [_row(SUBSCRIPTIONS.column_names) | {"organization_id": _ORGANIZATION, "status": "active"} | history]
        ),
        balances=EXTRAS_BALANCES.from_rows([_row(EXTRAS_BALANCES.column_names) | balance | {"document_bytes": 0}]),
        unreadable=UNREADABLE_KEYS.empty(),
        earlier_quotas=pd.DataFrame({"organization_id": [], "week_key": [], "meter_quota": []}),
        quota_events=events,
    )
    started = time.perf_counter()
    reconcile_meter(
        usage.drop(columns="attribution_keys"),
        pd.DataFrame({"row": np.zeros(keys, dtype=np.int64), "key": refs}).astype({"key": "str"}),
        entries,
        context,
    )
    return time.perf_counter() - started


def _document(keys: int) -> dict[str, object]:
    return {
        "organization_id": _ORGANIZATION,
        "week_key": _WEEK.key,
        "meter_used": keys + 500.0,
        "meter_quota": 0.0,
        "settled_units": 0.0,
        "updated_at": _WEEK.end - timedelta(days=1),
        "attribution_keys": [],
    }


def _row(columns: list[str]) -> dict[str, object]:
    empty: dict[str, object] = {}
    return empty | dict.fromkeys(columns)


def _no_changes() -> pd.DataFrame:
    columns = {"organization_id": "str", "at": "datetime64[ms, UTC]", "before": "float64", "after": "float64"}
    return pd.DataFrame({name: pd.Series(dtype=dtype) for name, dtype in columns.items()})


def _overdue() -> pd.DataFrame:
    span = {"organization_id": [_ORGANIZATION], "since": [_WEEK.start], "until": [_SATURDAY], "quota": [5000.0]}
    instant = "datetime64[ms, UTC]"
    return pd.DataFrame(span).astype({"since": instant, "until": instant})
