"""What a night cannot be faster than, stage by stage, and what it is measured against: a loop of queries."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bson import ObjectId
from pymongo import MongoClient
from upath import UPath

from billing_dq.reconcile.meter.meter_extras import divergences, expected_units
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import CollectionContract, contracts
from billing_dq.sources.mongodb.bson.judged import Level, judge_documents
from billing_dq.sources.mongodb.connection import clear_errors, connect
from billing_dq.sources.mongodb.queries import documents_of, odd_weeks
from billing_dq.sources.mongodb.reader import Reader, reader_at, snapshot_instant
from billing_dq.sources.mongodb.server import address
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.units import Tolerance
from billing_dq.weeks import NightWeeks
from billing_dq_simulation.commands.benchmark.long_week import slowest_long_week
from billing_dq_simulation.commands.benchmark.night import DATABASE

#: Bytes of a collection that are kept for the walk; the rest is reckoned from them.
_KEPT = 64 * 1024 * 1024
_LOOPED = 300


@dataclass(frozen=True)
class Floors:
    """Seconds that a stage takes by itself.

    Attributes:
        megabytes: what the server sends.
        drain: taking the same documents, without looking at them.
        questions: what else a night asks: a count of usage documents, those whose week is none, names of fields.
        walk: judging the bytes, without making anything of them.
        write: writing the same tables again.
        plain_rule: the plain rule on a million org-weeks.
        loop: a loop of queries for each organization, reckoned from a sample.
        long_week: one organization's week of 40 000 keys, under the history that takes longest.
    """

    megabytes: float
    drain: float
    questions: float
    walk: float
    write: float
    plain_rule: float
    loop: float
    long_week: float


def measure_floors(
    settings: Settings, night: NightWeeks, tables: dict[str, StoredTable], directory: Path, organizations: int
) -> Floors:
    """The floors of a night that was taken.

    Raises:
        SourceError: MongoDB cannot be read.
    """
    size = drain = walk = 0.0
    uri = address(settings)
    with clear_errors(uri, settings), connect(uri, settings) as client:
        names = settings.collections.model_dump()
        collections = contracts(names, tuple(settings.plans), night.as_of)
        with reader_at(client, settings, snapshot_instant(client, settings, names["organizations"])) as reader:
            for contract in collections.values():
                sample: list[bytes] = []
                kept = seen = 0
                started = time.perf_counter()
                for batch in reader.batches(contract, documents_of(contract, night.matching_keys)):
                    seen += len(batch)
                    if kept < _KEPT:
                        sample.append(batch)
                        kept += len(batch)
                drain += time.perf_counter() - started
                size += seen
                walk += _walk(contract, sample) * seen / max(kept, 1)
            questions = _questions(reader, collections, night)
    return Floors(
        megabytes=size / 1e6,
        drain=drain,
        questions=questions,
        walk=walk,
        write=_write(tables, directory),
        plain_rule=_plain_rule(1_000_000),
        loop=_loop(settings, night, min(_LOOPED, organizations)) * organizations,
        long_week=slowest_long_week(),
    )


def _questions(reader: Reader, collections: Mapping[str, CollectionContract], night: NightWeeks) -> float:
    """Seconds until the server has answered what a night asks beside its documents."""
    started = time.perf_counter()
    usage = collections["billingusages"]
    reader.count(usage)
    for _ in reader.batches(usage, odd_weeks(usage, night.matching_keys)):
        pass
    for contract in collections.values():
        if documents_of(contract, ()).fields is not None:
            reader.fields_of_the_newest(contract)
    return time.perf_counter() - started


def _walk(contract: CollectionContract, batches: list[bytes]) -> float:
    level = Level(contract.fields)
    started = time.perf_counter()
    for batch in batches:
        judge_documents(level, contract, batch)
    return time.perf_counter() - started


def _write(tables: dict[str, StoredTable], directory: Path) -> float:
    """Seconds to write the night's tables once more."""
    seconds = 0.0
    for stored in tables.values():
        with TableWriter(stored.table, UPath(directory / "again.parquet")) as writer:
            for batch in stored.batches():
                started = time.perf_counter()
                writer.write(batch)
                seconds += time.perf_counter() - started
    return seconds


def _plain_rule(weeks: int) -> float:
    """Seconds of the plain rule on so many org-weeks."""
    random = np.random.default_rng(1)
    used, actual = (random.integers(0, 10_000, weeks).astype(np.float64) for _ in range(2))
    quota = random.choice(np.array([0.0, 5000.0]), weeks)
    started = time.perf_counter()
    divergences(expected_units(used, quota), actual, Tolerance())
    return time.perf_counter() - started


def _loop(settings: Settings, night: NightWeeks, organizations: int) -> float:
    """Seconds for an organization the way it is usually done: a few queries each, and a loop over the entries."""
    started = time.perf_counter()
    with MongoClient[dict[str, Any]](address(settings).get_secret_value(), tz_aware=True) as client:
        database = client[DATABASE]
        for index in range(organizations):
            organization = ObjectId(f"{index:024x}")
            balance = database.billingextrabalances.find_one({"organization": organization}) or {"ledger": []}
            for week in night.weeks:
                usage = database.billingusages.find_one({"organizationId": organization, "weekKey": week.key})
                debits = [e for e in balance["ledger"] if e["kind"] == "debit" and week.start <= e["at"] < week.end]
                actual = -sum(entry["amount"] for entry in debits)
                missing = set(usage["consumedAttributionKeys"] if usage else ()) - {e["refId"] for e in debits}
                assert not missing and usage is not None and actual == usage["meterUsed"]
    return (time.perf_counter() - started) / organizations
