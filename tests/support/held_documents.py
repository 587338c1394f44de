"""Documents in memory where a night would read them from a server: all of the real reading, and no server."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import bson
from bson import ObjectId

from billing_dq.settings import Plan, Settings
from billing_dq.sources.mongodb.bson.contract import CollectionContract, is_week_key
from billing_dq.sources.mongodb.facts import Server
from billing_dq.sources.mongodb.merging import merged
from billing_dq.sources.mongodb.parts import Reading
from billing_dq.sources.mongodb.queries import Filter, Query
from billing_dq.sources.mongodb.reader import Documents
from billing_dq.sources.mongodb.sampled_fields import SampledField
from billing_dq.sources.mongodb.tables import write_part
from billing_dq.sources.progress import SilentProgress
from billing_dq.storage.followed import Followed
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.weeks import NightWeeks
from billing_dq_simulation.config import QUOTAS
from tests.support.plain_shapes import type_of

Document = dict[str, object]


class HeldDocuments(Documents):
    """Answers the queries of a night, and those of a night that follows no weeks only."""

    def __init__(self, documents: Mapping[str, Sequence[Document]]) -> None:
        super().__init__()
        self._documents = documents

    def count(self, contract: CollectionContract) -> int:
        """The number of documents of the collection."""
        return len(self._documents[contract.domain_name])

    def batches(self, contract: CollectionContract, query: Query) -> Iterator[bytes]:
        """The documents of a query with its fields, in its order, in one batch."""
        found = [one for one in self._documents[contract.domain_name] if _answers(one, query.filter)]
        found.sort(key=lambda one: [_place(one.get(name)) for name in query.order])
        shown = found if query.fields is None else [_shown(one, ("_id", *query.fields)) for one in found]
        yield b"".join(map(bson.encode, shown))

    def fields_of_the_newest(self, contract: CollectionContract) -> list[SampledField]:
        """Names and types of the fields of the last documents."""
        documents = self._documents[contract.domain_name][-100:]
        seen = Counter((name, type_of(value)) for one in documents for name, value in one.items())
        return [SampledField(name, kind, count, len(documents), "") for (name, kind), count in seen.items()]


def read_held(documents: Mapping[str, Sequence[Document]], as_of: datetime, home: Path) -> SnapshotFactsRecord:
    """Read documents as the night of an instant does, store its tables under ``home``, and say how the reading went."""
    night, directory = as_of.date().isoformat(), home / "reading"
    directory.mkdir(parents=True, exist_ok=True)
    weeks = NightWeeks(as_of, 3, 6)
    settings = Settings(plans={name: Plan() for name in QUOTAS})
    part = write_part(HeldDocuments(documents), Reading(settings, weeks, Followed(), directory, SilentProgress()))
    server = Server("8.0", "ReplicaSetWithPrimary", (), "")
    snapshot = merged([part], server, settings, weeks, Followed(), directory / "whole")
    for name, stored in snapshot.tables.items():
        place = home / "lake" / name / f"{night}.parquet"
        place.parent.mkdir(parents=True, exist_ok=True)
        Path(stored.path.path).rename(place)
    return snapshot.facts


def _shown(document: Document, names: tuple[str, ...]) -> Document:
    return {name: value for name, value in document.items() if name in names}


def _answers(document: Document, query: Filter) -> bool:
    """Of usage the documents of the weeks; of the question for odd weeks those whose week is none."""
    if not query:
        return True
    week = document.get("weekKey")
    if "$or" in query:
        return week is not None and not is_week_key(week)
    asked = query["weekKey"]
    assert isinstance(asked, dict)
    return week in asked["$in"]


def _place(value: object) -> tuple[int, object]:
    """The order of MongoDB among the types that are used for keys here."""
    if value is None:
        return 0, 0
    return (1, value) if isinstance(value, str) else (2, value.binary if isinstance(value, ObjectId) else value)
