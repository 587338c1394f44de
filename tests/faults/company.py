"""A small company over several nights, and what a night has to say of it, by the pure rules from plain documents.

Between the nights a quota rises (night 1), a debit is lost (night 2) and comes back (night 4), and Stripe ends a
subscription (night 3). ``version`` 1 of a night has lost one debit more: what a second reading of it finds.
"""

from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import pandas as pd
import pytest

from billing_dq.policy import policy_of
from billing_dq.reconcile.inputs import ApplicationTables, Earlier, StripeTables
from billing_dq.reconcile.night import reconcile_night
from billing_dq.settings import Settings
from billing_dq.sources.progress import SilentProgress
from billing_dq.sources.stripe import client
from billing_dq.sources.stripe.api import StripeReading, read_stripe
from billing_dq.weeks import NightWeeks
from billing_dq_simulation.config import WorldConfig, world_settings
from billing_dq_simulation.faults.stripe import Faults
from billing_dq_simulation.local_stripe import LocalStripe
from billing_dq_simulation.plain import plain_frames
from billing_dq_simulation.score import SCORED
from billing_dq_simulation.world import account_objects, simulate
from tests.faults.memory_stripe import MemoryTransport, session_of
from tests.faults.plan import Edge, Process

Documents = dict[str, list[dict]]
#: A finding as it is compared: kind, organization, subject, severity, cause, units.
Finding = tuple[str, str, str, str, str, float]

FIRST = datetime(2026, 11, 17, 3, 10, tzinfo=UTC)
NIGHTS = 6  # of one week, so that the weeks of a night stay the same
COMPANIES = 3
COLLECTIONS = ("organizations", "subscriptions", "billingusages", "billingextrabalances", "processedstripeevents")
KEY = "rk_live_simulatedSecret42"


def as_of(night: int) -> datetime:
    """When a night is taken."""
    return FIRST + timedelta(days=night)


def config(company: int) -> WorldConfig:
    """The simulated company of a number, with a few labelled faults."""
    return WorldConfig(seed=company, organizations=9, weeks=4, as_of=FIRST, faults=dict.fromkeys(SCORED, 0.01))


def settings_of(company: int, home: str) -> Settings:
    """Its settings; nobody waits between the attempts at a server."""
    told = {
        "home": home,
        "mongodb_uri": "mongodb://reader:hunter2@memory.example/",
        "mongodb_connect_seconds": 0.001,
        "stripe_api_key": KEY,
        "stripe_base_url": "http://127.0.0.1:1",
    }
    return Settings.model_validate({**world_settings(config(company)), **told})


@cache
def _base(company: int) -> tuple[Documents, Documents]:
    documents: Documents = {name: [] for name in COLLECTIONS}
    objects: Documents = account_objects()
    for organization in simulate(config(company)):
        for whole, part in ((documents, organization.documents), (objects, organization.stripe)):
            for name, found in part.items():
                whole.setdefault(name, []).extend(found)
    return documents, objects


@cache
def documents_of(company: int, night: int, version: int = 0) -> Documents:
    """The application's documents on a night; not to be changed."""
    documents = deepcopy(_base(company)[0])
    open_week = NightWeeks(FIRST, 3, 6).keys[-1]
    if night >= 1:
        risen = next(one for one in documents["billingusages"] if one["weekKey"] == open_week and one["meterQuota"])
        risen["meterQuota"] *= 2
    if night in (2, 3):
        _lose_a_debit(documents, 0)
    if version:
        _lose_a_debit(documents, 1)
    return documents


@cache
def objects_of(company: int, night: int) -> Documents:
    """Stripe's objects on a night; not to be changed."""
    objects = deepcopy(_base(company)[1])
    if night >= 3:
        ended = next(one for one in objects["subscriptions"] if one["status"] == "active")
        ended["status"] = "canceled"
    return objects


def _lose_a_debit(documents: Documents, which: int) -> None:
    """The newest debit of closed weeks of one organization is not there."""
    before = FIRST - timedelta(days=9)
    having = [
        (balance, debits)
        for balance in documents["billingextrabalances"]
        if (debits := [one for one in balance["ledger"] if one["kind"] == "debit" and _utc(one["at"]) < before])
    ]
    balance, debits = having[which % len(having)]
    lost = debits[-1 - which]
    balance["ledger"].remove(lost)
    balance["cachedBalance"] -= lost["amount"]


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)


@cache
def _reading(company: int, night: int) -> StripeReading:
    stripe = LocalStripe(objects_of(company, night), Faults(), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client.requests, "Session", session_of(MemoryTransport(stripe, Edge(Process()))))
        return read_stripe(settings_of(company, "unused"), as_of(night), [], SilentProgress())


@dataclass(frozen=True)
class Truth:
    """What a night has to say, and how many ledger entries it reads, which tells the versions of a night apart."""

    findings: frozenset[Finding]
    ledger_entries: int


@cache
def truth(company: int, night: int, version: int, with_stripe: bool) -> Truth:
    """What a night of the company says; without Stripe what it can say without."""
    settings = settings_of(company, "unused")
    weeks = NightWeeks(as_of(night), settings.weeks_back, settings.settling_hours)
    frames = plain_frames(documents_of(company, night, version), weeks, as_of(night))
    reading = _reading(company, night)
    not_read = frozenset(reading.invoices_not_read)
    theirs = StripeTables(reading.frames, reading.livemode, not_read, reading.events_since, reading.since)
    first = plain_frames(documents_of(company, 0), NightWeeks(FIRST, 3, 6), FIRST)["weekly_usage"]
    earlier = Earlier(quotas=first[["organization_id", "week_key", "meter_quota"]]) if night else Earlier()
    result = reconcile_night(
        ApplicationTables(weeks, frames), theirs if with_stripe else None, policy_of(settings), earlier
    )
    return Truth(told(result.findings), len(frames["ledger_entries"]))


def told(findings: pd.DataFrame) -> frozenset[Finding]:
    """Findings as they are compared, but for what seals of earlier nights show: the truth is of one night."""
    findings = findings[findings["cause"] != "history_changed"]
    columns = ["kind", "organization_id", "subject", "severity", "cause", "units"]
    rows = findings[columns].astype(object).where(findings[columns].notna(), "").itertuples(index=False, name=None)
    return frozenset((*(str(value) for value in row[:-1]), round(float(row[-1] or 0), 3)) for row in rows)  # pyright: ignore
