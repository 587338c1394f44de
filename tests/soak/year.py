"""A year of nights in one process: what a night costs at the end against what it cost at the beginning.

    python -m tests.soak.year --nights 365

Every night is another state of a small simulated company. It is read from memory by the real sources, judged by the
rules with what earlier nights knew, and stored; Dagster has no part in it. Memory is the peak of the process, so that
it is flat where nothing grows. Disk is what a night stores.
"""

import resource
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest
from upath import UPath

from billing_dq.policy import policy_of
from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.reconcile.night import reconcile_night
from billing_dq.settings import Settings
from billing_dq.sources.mongodb import server
from billing_dq.sources.mongodb.snapshot import read_snapshot
from billing_dq.sources.progress import SilentProgress
from billing_dq.sources.stripe import client
from billing_dq.sources.stripe.api import read_stripe
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.history import earlier_evidence, earlier_than, followed_by
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.storage.stored_table import TableWriter
from billing_dq.tables import TABLES
from billing_dq.weeks import NightWeeks
from billing_dq_simulation.config import WorldConfig, world_settings
from billing_dq_simulation.faults.stripe import Faults
from billing_dq_simulation.local_stripe import LocalStripe
from billing_dq_simulation.score import SCORED
from billing_dq_simulation.world import account_objects, simulate
from tests.faults.company import COLLECTIONS, KEY
from tests.faults.memory_mongodb import MemoryMongo
from tests.faults.memory_stripe import MemoryTransport, session_of
from tests.faults.plan import Edge, Process

FIRST = datetime(2026, 1, 5, 3, 10, tzinfo=UTC)


def take(home: Path, number: int) -> tuple[int, int]:
    """Take a night: the number of its findings, and the bytes that it stored."""
    as_of = FIRST + timedelta(days=number)
    # the same company within a week, so that findings persist and are resolved
    config = WorldConfig(seed=number // 7, organizations=9, weeks=4, as_of=as_of, faults=dict.fromkeys(SCORED, 0.01))
    documents: dict[str, list[dict]] = {name: [] for name in COLLECTIONS}
    objects = account_objects()
    for organization in simulate(config):
        for whole, part in ((documents, organization.documents), (objects, organization.stripe)):
            for name, found in part.items():
                whole.setdefault(name, []).extend(found)
    told = {
        "home": str(home),
        "mongodb_uri": "mongodb://memory/",
        "stripe_api_key": KEY,
        "stripe_base_url": "http://127.0.0.1:1",
    }
    settings = Settings.model_validate({**world_settings(config), **told})
    night, lake = as_of.date().isoformat(), Lake(str(home))
    weeks = NightWeeks(as_of, settings.weeks_back, settings.settling_hours)
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as directory:
        patch.setattr(server, "connect", lambda _uri, _settings: MemoryMongo(documents, Edge(Process())))
        transport = MemoryTransport(LocalStripe(objects, Faults(), None), Edge(Process()))
        patch.setattr(client.requests, "Session", session_of(transport))
        patch.setattr(client, "time", _NoClock())
        followed = followed_by(lake, night, weeks, settings.follow_weeks)
        read = read_snapshot(settings, weeks, Path(directory), SilentProgress(), followed)
        reading = read_stripe(settings, as_of, [], SilentProgress())
        frames = {name: stored.frame() for name, stored in read.tables.items()}
    not_read = frozenset(reading.invoices_not_read)
    theirs = StripeTables(reading.frames, reading.livemode, not_read, reading.events_since, reading.since)
    ours = ApplicationTables(weeks, frames)
    before, known = earlier_evidence(lake, night, ours), earlier_than(lake, night, weeks)
    evidence = {name: getattr(before, name) for name in ("quotas", "plans", "quotas_of_followed", "plans_of_followed")}
    earlier = replace(known, **evidence)
    result = reconcile_night(ours, theirs, policy_of(settings), earlier)
    assert result.disputes is not None
    assert result.drift is not None
    results = {
        "meter_extras_deltas": result.meter.deltas,
        "meter_extras_evidence": result.meter.evidence,
        "ledger_violations": result.violations,
        "runaway_balances": result.runaway,
        "subscription_drift": result.drift,
        "dispute_positions": result.disputes.positions,
        "findings": result.findings,
    }
    stored = sum(_store(home, name, night, frame) for name, frame in {**frames, **reading.frames, **results}.items())
    facts = SnapshotFactsRecord(
        as_of=as_of, weeks_back=settings.weeks_back, settling_hours=settings.settling_hours, server_version="8.0.0",
        topology="", one_snapshot=True, missing_collections=(), counts={}, seconds={},
    )  # fmt: skip
    path = facts.path(str(home), night)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(facts.model_dump_json(), encoding="utf-8")
    return len(result.findings), stored


class _NoClock:
    """Nobody waits for a pace."""

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        return None


def _store(home: Path, name: str, night: str, frame: object) -> int:
    path = home / "lake" / name / f"{night}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    with TableWriter(TABLES[name], UPath(path)) as writer:
        writer.write(to_arrow(TABLES[name], frame))  # pyright: ignore[reportArgumentType]
    return path.stat().st_size


def peak_mb() -> float:
    """The most memory that this process has had, in MB."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


@click.command()
@click.option("--nights", type=click.IntRange(2), default=365, show_default=True, help="How many.")
def main(nights: int) -> None:
    """Take nights one after the other, and print what a night of each part costs."""
    parts = 12
    with tempfile.TemporaryDirectory() as name:
        since, findings, stored, count = time.process_time(), 0, 0, 0
        for number in range(nights):
            found, size = take(Path(name), number)
            findings, stored, count = findings + found, stored + size, count + 1
            if (number + 1) % max(1, nights // parts) == 0:
                took = time.process_time() - since
                click.echo(
                    f"night {number + 1:4}: {took / count:6.2f} s CPU a night, {stored / count / 1024:7.1f} KB stored, "
                    f"{findings / count:5.1f} findings; peak memory {peak_mb():7.1f} MB"
                )
                since, findings, stored, count = time.process_time(), 0, 0, 0


if __name__ == "__main__":
    main()
