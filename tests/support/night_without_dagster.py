"""A night without Dagster: the real sources and the pure night, stored as a nightly run stores its tables and records.

What Dagster adds (checks, metadata, the manifest) is not here; that its assets give the same tables is proved once, in
`tests/defs/test_one_composition.py`.
"""

import contextlib
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from billing_dq.errors import SourceError
from billing_dq.policy import policy_of
from billing_dq.reconcile.inputs import ApplicationTables, Earlier, StripeTables
from billing_dq.reconcile.night import NightResult, reconcile_night
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.facts import refuse_a_living_database
from billing_dq.sources.mongodb.snapshot import read_snapshot
from billing_dq.sources.progress import Progress, SilentProgress
from billing_dq.sources.stripe.api import StripeReading, read_stripe
from billing_dq.storage.history import (
    disputes_to_read_again,
    earlier_evidence,
    earlier_than,
    followed_by,
    payments_to_read_again,
)
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.weeks import NightWeeks
from tests.support.stored_nights import store_night


def take_night(settings: Settings, as_of: datetime) -> NightResult:
    """Read both sources, reconcile and store the night of an instant; nights before it are known from the lake.

    Raises:
        SourceError: MongoDB cannot be read. Where Stripe cannot, the night is taken without it.
    """
    night, lake = as_of.date().isoformat(), Lake(settings.home)
    weeks = NightWeeks(as_of, settings.weeks_back, settings.settling_hours)
    followed = followed_by(lake, night, weeks, settings.follow_weeks)
    with tempfile.TemporaryDirectory() as directory:
        snapshot = read_snapshot(settings, weeks, Path(directory), SilentProgress(), followed)
        frames = {name: table.frame() for name, table in snapshot.tables.items()}
    facts = snapshot.facts
    refuse_a_living_database(facts, datetime.now(UTC))
    ours = ApplicationTables(weeks, frames, is_whole=not facts.incomplete_because)
    reading, record = _stripe(settings, lake, night, facts)
    theirs = None if reading is None else _tables(reading)
    result = reconcile_night(ours, theirs, policy_of(settings), _earlier(lake, night, ours))
    store_night(settings, facts, record, {**frames, **({} if theirs is None else theirs.frames)}, result)
    return result


def nights_without_dagster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command `nightly` of this process take its nights so."""
    monkeypatch.setattr("billing_dq.runner.run_night", _run_night)
    monkeypatch.setattr("billing_dq.runner.open_instance", contextlib.nullcontext)


def _run_night(
    settings: Settings,
    _instance: object,
    as_of: datetime | None = None,
    again: bool = False,
    progress: Progress | None = None,
) -> object:
    """What stands in for `billing_dq.runner.run_night`; ``again`` and ``progress`` are not heeded."""
    from billing_dq.runner import stored_night  # Dagster costs a second

    instant = as_of or datetime.now(UTC)
    take_night(settings, instant)
    return stored_night(settings, instant.date().isoformat())


def _stripe(
    settings: Settings, lake: Lake, night: str, facts: SnapshotFactsRecord
) -> tuple[StripeReading | None, StripeReadingRecord]:
    unread = {"livemode": None, "requests": {}, "invoices_not_read": ()}
    if facts.incomplete_because:
        return None, StripeReadingRecord(state="failed", reason=facts.incomplete_because, **unread)
    if settings.stripe_api_key is None:
        return None, StripeReadingRecord(state="not_run", reason="no key", **unread)
    try:
        again = disputes_to_read_again(lake, night) + payments_to_read_again(lake, night)
        reading = read_stripe(settings, facts.as_of, again, SilentProgress())
    except SourceError as error:
        return None, StripeReadingRecord(state="failed", reason=str(error), **unread)
    record = StripeReadingRecord(
        state="read",
        reason="",
        livemode=reading.livemode,
        requests=reading.requests,
        invoices_not_read=reading.invoices_not_read,
        absent=reading.absent,
        events_since=reading.events_since,
    )
    return reading, record


def _tables(reading: StripeReading) -> StripeTables:
    return StripeTables(reading.frames, reading.livemode, frozenset(reading.invoices_not_read), reading.events_since)


def _earlier(lake: Lake, night: str, ours: ApplicationTables) -> Earlier:
    """What earlier nights knew, their evidence for the meter included."""
    known, evidence = earlier_than(lake, night, ours.weeks), earlier_evidence(lake, night, ours)
    return replace(
        known,
        quotas=evidence.quotas,
        plans=evidence.plans,
        quotas_of_followed=evidence.quotas_of_followed,
        plans_of_followed=evidence.plans_of_followed,
    )
