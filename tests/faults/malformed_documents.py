"""Malformed documents among sound ones: every one is quarantined with a reason, and the rest is read as without them.

    python -m tests.faults.malformed_documents --documents 100000

A copy of a sound document of a company gets an organization of its own, and one to three of its fields, or of its
ledger's entries, a value that breaks the contract. That it does is judged by `tests.support.plain_contract`, which
shares nothing with the reading.
"""

import math
import random
import tempfile
import time
from collections import Counter
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bson
import click
import pandas as pd
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from pandas.testing import assert_frame_equal

from billing_dq.sources.mongodb import server
from billing_dq.sources.mongodb.bson.contract import CollectionContract, Field, contracts, is_week_key
from billing_dq.sources.mongodb.facts import Snapshot
from billing_dq.sources.mongodb.snapshot import read_snapshot
from billing_dq.sources.progress import SilentProgress
from billing_dq.tables import DOCUMENT_SHAPES, QUARANTINED_DOCUMENTS, UNREADABLE_KEYS
from billing_dq.weeks import NightWeeks
from tests.faults import company
from tests.faults.memory_mongodb import Document, MemoryMongo
from tests.faults.plan import Edge, Process
from tests.support.plain_contract import breaks, decoded

WEEKS = NightWeeks(company.FIRST, 3, 6)
#: Documents that are read with the company at once.
_TOGETHER = 5_000
#: What tells of the malformed documents, too.
_ABOUT_THEM = {QUARANTINED_DOCUMENTS.name, UNREADABLE_KEYS.name, DOCUMENT_SHAPES.name}


def odd_value(rng: random.Random) -> object:
    """Some value of any BSON type."""
    values: tuple[object, ...] = (
        None, True, 0, -1, 2**31, Int64(-(2**63)), 1.5, -0.0, math.nan, math.inf, -math.inf, "", "x", "a\x00b",
        "2026-W99", "=1+1", "\x1b[31m", "\u202e", "é" * 50, [], [1, "a", None], [[]], {}, {"$ne": None},
        {"a": {"b": [1]}},
        b"\xff", Binary(b"x", 4), Code("1"), Decimal128("1.5"), Decimal128("NaN"), MinKey(), MaxKey(), Regex("x"),
        Timestamp(1, 1), ObjectId(), DBRef("c", 1), datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC),
        company.FIRST + timedelta(days=400),
    )  # fmt: skip
    return deepcopy(rng.choice(values))


def malformed(rng: random.Random, sound: list[dict], contract: CollectionContract, number: int) -> Document | None:
    """A document that breaks the contract, or None where what was done to it does not."""
    document = deepcopy(rng.choice(sound))
    document["_id"] = ObjectId(number.to_bytes(12, "big"))
    if contract.organization is not None:
        document[contract.organization] = ObjectId(number.to_bytes(12, "big"))
    for _ in range(rng.randint(1, 3)):
        _spoil(rng, document, contract.fields)
    if contract.domain_name == "organizations" and not isinstance(document.get("_id"), ObjectId):
        document["_id"] = rng.choice((str, int, float))(number)  # a server has each `_id` once
    if contract.domain_name == "billingusages":
        week = document.get("weekKey")
        if week is None or (is_week_key(week) and week not in WEEKS.matching_keys):
            return None  # out of the night's scope
    return document if breaks(contract.fields, decoded(bson.encode(document))) else None


def _spoil(rng: random.Random, document: dict, fields: tuple[Field, ...]) -> None:
    field = rng.choice(fields)
    inside = document.get(field.name)
    if field.fields and isinstance(inside, list) and inside and rng.random() < 0.8:
        at = rng.randrange(len(inside))
        if rng.random() < 0.1:
            inside[at] = odd_value(rng)
        elif isinstance(inside[at], dict):
            _spoil(rng, inside[at], field.fields)
    elif field.required and rng.random() < 0.2:
        document.pop(field.name, None)
    else:
        document[field.name] = odd_value(rng)


def read(documents: dict[str, list[dict]], directory: Path) -> tuple[Snapshot, dict[str, pd.DataFrame]]:
    """A snapshot of documents that are held in memory, and its tables."""
    settings = company.settings_of(0, "unused")
    with pytest.MonkeyPatch.context() as patch:
        in_memory = MemoryMongo(documents, Edge(Process()), reply_documents=500)
        patch.setattr(server, "connect", lambda _uri, _settings: in_memory)
        found = read_snapshot(settings, WEEKS, directory, SilentProgress())
    return found, {name: stored.frame() for name, stored in found.tables.items()}


def judge(seed: int, count: int) -> Counter[str]:
    """Read so many malformed documents among those of a company; how many of each collection there were.

    Raises:
        AssertionError: one was not quarantined, has no reason, or changed what else is read.
    """
    rng = random.Random(f"malformed {seed}")
    sound = company.documents_of(seed % company.COMPANIES, 0)
    settings = company.settings_of(0, "unused")
    of_all = contracts(settings.collections.model_dump(), tuple(settings.plans), WEEKS.as_of)
    mixed = {name: list(documents) for name, documents in sound.items()}
    bad: Counter[str] = Counter()
    number = 1
    while bad.total() < count:
        name = rng.choice(list(of_all))
        document = malformed(rng, sound[name], of_all[name], number) if sound[name] else None
        number += 1
        if document is not None:
            mixed[name].append(document)
            bad[name] += 1
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        facts, found = read(mixed, Path(one))
        _, expected = read(sound, Path(other))
    quarantined = found[QUARANTINED_DOCUMENTS.name]
    assert (quarantined["reason"].str.len() > 0).all(), f"seed {seed}: quarantined without a reason"
    documents = quarantined.drop_duplicates(["collection", "document_id"])["collection"].value_counts()
    assert {str(k): int(v) for k, v in documents.items()} == dict(bad), f"seed {seed}: {dict(documents)} of {bad}"
    for name, counts in facts.facts.counts.items():
        assert counts.quarantined == bad[name], f"seed {seed}: {name}"
        assert counts.counted == counts.read + counts.quarantined + counts.out_of_scope
    for name in expected.keys() - _ABOUT_THEM:
        assert_frame_equal(found[name], expected[name], obj=f"seed {seed}: {name}")
    return bad


@click.command()
@click.option("--documents", type=click.IntRange(1), default=100_000, show_default=True, help="How many.")
@click.option("--seed", type=int, help="Only the documents of this seed.")
def main(documents: int, seed: int | None) -> None:
    """Read malformed documents among sound ones, and say what became of them."""
    started, total = time.perf_counter(), Counter[str]()
    seeds = range(math.ceil(documents / _TOGETHER)) if seed is None else [seed]
    for one in seeds:
        total += judge(one, min(_TOGETHER, documents))
    click.echo(", ".join(f"{name} {count:,}" for name, count in sorted(total.items())))
    took = time.perf_counter() - started
    click.echo(
        f"{total.total():,} malformed documents, each quarantined with a reason, the rest unchanged, in {took:,.0f} s"
    )


if __name__ == "__main__":
    main()
