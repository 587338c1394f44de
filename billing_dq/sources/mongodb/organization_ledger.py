"""One organization, read now: what the plan of a dispute's credit rests on, as the night would read it.

The documents go through the same contract, the same walk over their bytes and the same choice of entries as those of a
night, so that what a night shows as due is what a credit sees. The balance document is read in one piece, so its
entries, length and balance belong together. All reads go to the primary and see only what the majority has.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast

import pandas as pd
import pyarrow as pa
from bson import ObjectId
from pymongo import ReadPreference
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, OperationFailure
from pymongo.read_concern import ReadConcern

from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import CollectionContract, contracts
from billing_dq.sources.mongodb.connection import DECODED, connect, is_transient
from billing_dq.sources.mongodb.quarantine import Quarantine, all_named
from billing_dq.sources.mongodb.queries import KEYS, documents_of
from billing_dq.storage.arrow import arrow_schema, to_pandas
from billing_dq.storage.followed import Followed
from billing_dq.tables import (
    DISPUTE_ENTRIES,
    EXTRAS_BALANCES,
    ORGANIZATIONS,
    PACK_PURCHASES,
    SUBSCRIPTIONS,
    UNREADABLE_KEYS,
)
from billing_dq.weeks import NightWeeks

Document = dict[str, object]
_READ = ("organizations", "subscriptions", "billingextrabalances")
_TABLES = (ORGANIZATIONS, SUBSCRIPTIONS, EXTRAS_BALANCES, DISPUTE_ENTRIES, PACK_PURCHASES)


@dataclass(frozen=True)
class OrganizationReading:
    """The tables of one organization, by name: organizations, subscriptions, extras_balances, dispute_entries,
    pack_purchases and unreadable_keys. A balance document that is not sound stands in the last one only.
    """

    tables: dict[str, pd.DataFrame]


@dataclass(frozen=True)
class WrittenCredit:
    """A ledger entry that carries one of our references, as it stands in the database."""

    organization_id: str
    entry_id: str
    ref_id: str
    amount: float
    memo: str | None
    at: datetime | None


class OrganizationReader:
    """Reads single organizations of one database."""

    def __init__(self, settings: Settings, database: Database[Document]) -> None:
        self._settings = settings
        self._limit = round(settings.mongodb_timeout_seconds * 1000)
        self._database = database.with_options(
            DECODED, read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("majority")
        )

    def read(self, organization_id: str) -> OrganizationReading:
        """Everything about one organization, as it is now.

        Args:
            organization_id: 24 hexadecimal characters.

        Returns:
            The rows of the nightly tables that are this organization's (docs/tables.md, "Columns").

        Raises:
            TransientSourceError: the server does not answer.
            SourceError: the server refuses to be read.
        """
        # numba costs half a second, which a code location that only shows the assets need not pay
        from billing_dq.sources.mongodb.bson.pieces import Sorting
        from billing_dq.sources.mongodb.documents.by_collection import tables_of_piece

        settings = self._settings
        night = NightWeeks(datetime.now(UTC), settings.weeks_back, settings.settling_hours)
        quarantine = Quarantine()
        batches: dict[str, list[pa.Table]] = {table.name: [] for table in _TABLES}
        of_collections = contracts(settings.collections.model_dump(), tuple(settings.plans), night.as_of)
        for collection in _READ:
            sorting = Sorting(of_collections[collection], night, quarantine)
            raw = self._raw(of_collections[collection], organization_id)
            for piece in [*sorting.add(raw), *sorting.end()]:
                for name, rows in tables_of_piece(collection, piece, night, Followed()).items():
                    if name in batches:
                        batches[name].append(rows)
        frames = {
            table.name: to_pandas(table, pa.concat_tables([arrow_schema(table).empty_table(), *batches[table.name]]))
            for table in _TABLES
        }
        return OrganizationReading({**frames, UNREADABLE_KEYS.name: all_named(quarantine.tables()[1])})

    def with_session(self, stripe_session_id: str) -> list[str]:
        """The organizations whose ledger has a top-up of a checkout session: one, unless something is wrong.

        Raises:
            TransientSourceError, SourceError: as `read`.
        """
        return self._with({"$elemMatch": {"kind": "topup", "stripeSessionId": stripe_session_id}})

    def with_dispute(self, dispute_id: str) -> list[str]:
        """The organizations whose ledger names a dispute, in a clawback or in a credit of this system.

        Raises:
            TransientSourceError, SourceError: as `read`.
        """
        named = re.escape(dispute_id)
        pattern = f"^(refund-dispute_{named}-|dispute_{named}$|dispute_reinstate_{named}$)"
        return self._with({"$elemMatch": {"refId": {"$regex": pattern}}})

    def credits(self, ref_prefix: str) -> list[WrittenCredit]:
        """Every entry of every ledger whose reference starts with a prefix.

        Raises:
            TransientSourceError, SourceError: as `read`.
        """
        pattern: Document = {"$regex": f"^{re.escape(ref_prefix)}"}
        with _reading():
            credits = self._database[self._settings.collections.billingextrabalances].aggregate(
                [
                    {"$match": {"ledger.refId": pattern}},
                    {"$unwind": "$ledger"},
                    {"$match": {"ledger.refId": pattern}},
                    {"$project": {"_id": 0, "organization": 1, "ledger": 1}},
                ],
                maxTimeMS=self._limit,
            )
            return [written_credit(str(balance["organization"]), balance["ledger"]) for balance in credits]

    def _raw(self, contract: CollectionContract, organization_id: str) -> bytes:
        """The organization's documents of a collection, those among them whose id became text."""
        query = documents_of(contract, ())
        key = KEYS[contract.domain_name][0]
        as_text: Document = {key: {"$regex": f"^{organization_id}$", "$options": "i"}}
        query = replace(query, filter={"$or": [{key: ObjectId(organization_id)}, as_text]})
        with _reading():
            replies = self._database[contract.name].find_raw_batches(
                query.filter,
                query.projection,
                sort=[(name, 1) for name in query.order],
                max_time_ms=self._limit,
            )
            return b"".join(cast(Iterator[bytes], iter(replies)))  # the driver's types call each reply a document

    def _with(self, entry: Document) -> list[str]:
        with _reading():
            balances = self._database[self._settings.collections.billingextrabalances].find(
                {"ledger": entry}, {"organization": 1}, max_time_ms=self._limit
            )
            return sorted({str(balance["organization"]) for balance in balances})


@contextmanager
def open_organization_reader(settings: Settings) -> Iterator[OrganizationReader]:
    """A reader on its own connection, closed afterwards.

    Raises:
        SourceError: there is no usable address.
    """
    if settings.mongodb_uri is None:
        raise SourceError("no MongoDB address: set BILLING_DQ_MONGODB_URI (a read-only user is enough)")
    with connect(settings.mongodb_uri, settings) as client:
        yield OrganizationReader(settings, client[settings.mongodb_database])


def written_credit(organization_id: str, entry: object) -> WrittenCredit:
    """A ledger entry as it stands in the database; an amount that is no number is NaN."""
    fields: Document = entry if isinstance(entry, dict) else {}
    memo, at = fields.get("memo"), fields.get("at")
    return WrittenCredit(
        organization_id=organization_id,
        entry_id=str(fields.get("_id")),
        ref_id=str(fields.get("refId")),
        amount=number_or_nan(fields.get("amount")),
        memo=memo if isinstance(memo, str) else None,
        at=at if isinstance(at, datetime) else None,
    )


def number_or_nan(value: object) -> float:
    """A number of the database in units; NaN where it is none."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else math.nan


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (ConnectionFailure, OperationFailure) as error:
        if isinstance(error, ConnectionFailure) or is_transient(error):
            raise TransientSourceError(f"MongoDB cannot be read right now: {type(error).__name__}") from None
        raise SourceError(f"MongoDB cannot be read: error {error.code}") from None
