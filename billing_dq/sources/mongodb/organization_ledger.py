"""One organization, read now: what the plan of a dispute's credit rests on, in the contracts of the nightly tables.

The balance document is read in one piece, so its entries, length and balance belong together. All reads go to the
primary and see only what the majority has.
"""

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import bson
import pandas as pd
from bson import CodecOptions, ObjectId
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo import ReadPreference
from pymongo.cursor import Cursor
from pymongo.database import Database
from pymongo.errors import ConnectionFailure, OperationFailure
from pymongo.read_concern import ReadConcern

from billing_dq.credits.ledger_writer import WrittenCredit, written_credit
from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import EARLIEST, LATEST
from billing_dq.sources.mongodb.connection import DECODED, connect, is_transient
from billing_dq.tables import (
    DISPUTE_ENTRIES,
    EXTRAS_BALANCES,
    ORGANIZATIONS,
    PACK_PURCHASES,
    SUBSCRIPTIONS,
    UNREADABLE_KEYS,
)

Document = dict[str, object]
_RAW = CodecOptions[RawBSONDocument](document_class=RawBSONDocument)
_DISPUTE_REFS = ("refund-dispute_", "dispute_", "dispute-credit-")
_CLAWBACK = re.compile(r"refund-dispute_.+-(?P<topup>[^-]+)")
_CORRECTION = re.compile(r"(^|[^A-Za-z0-9])d[up]_")


@dataclass(frozen=True)
class OrganizationReading:
    """The tables of one organization, by name: organizations, subscriptions, extras_balances, dispute_entries,
    pack_purchases and unreadable_keys. A balance document that is not sound stands in the last one only.
    """

    tables: dict[str, pd.DataFrame]


class OrganizationReader:
    """Reads single organizations of one database."""

    def __init__(self, settings: Settings, database: Database[Document]) -> None:
        self._names = settings.collections
        self._limit = round(settings.mongodb_timeout_seconds * 1000)
        self._database = database.with_options(
            DECODED, read_preference=ReadPreference.PRIMARY, read_concern=ReadConcern("majority")
        )

    def read(self, organization_id: str) -> OrganizationReading:
        """Everything about one organization, as it is now.

        Raises:
            TransientSourceError: the server does not answer.
            SourceError: the server refuses to be read.
        """
        key = ObjectId(organization_id)
        with _reading():
            organization = self._database[self._names.organizations].find_one(
                {"_id": key}, {"plan": 1}, max_time_ms=self._limit
            )
            subscription = self._database[self._names.subscriptions].find_one(
                {"organization": key}, max_time_ms=self._limit
            )
            found = (
                self._database[self._names.billingextrabalances]
                .with_options(_RAW)
                .find({"organization": key}, max_time_ms=self._limit)
            )
            raw = [document.raw for document in found]
        balances = [bson.decode(document, DECODED) for document in raw]
        reasons = [_unsound(balance) for balance in balances]
        sound = balances[0] if len(balances) == 1 and reasons == [None] else None
        rows = {
            ORGANIZATIONS: _organization_rows(organization),
            SUBSCRIPTIONS: _subscription_rows(organization_id, subscription),
            EXTRAS_BALANCES: _balance_rows(organization_id, sound, sum(map(len, raw))),
            DISPUTE_ENTRIES: _dispute_rows(organization_id, _ledger(sound)),
            PACK_PURCHASES: _purchase_rows(organization_id, _ledger(sound)),
            UNREADABLE_KEYS: _unreadable_rows(organization_id, balances, sound),
        }
        return OrganizationReading({table.name: table.from_rows(found) for table, found in rows.items()})

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
            found = self._database[self._names.billingextrabalances].aggregate(
                [
                    {"$match": {"ledger.refId": pattern}},
                    {"$unwind": "$ledger"},
                    {"$match": {"ledger.refId": pattern}},
                    {"$project": {"_id": 0, "organization": 1, "ledger": 1}},
                ],
                maxTimeMS=self._limit,
            )
            return [written_credit(str(balance["organization"]), balance["ledger"]) for balance in found]

    def _with(self, entry: Document) -> list[str]:
        with _reading():
            found = self._balances({"ledger": entry}, {"organization": 1})
            return sorted({str(balance["organization"]) for balance in found})

    def _balances(self, query: Document, fields: Document | None = None) -> Cursor[Document]:
        return self._database[self._names.billingextrabalances].find(query, fields, max_time_ms=self._limit)


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


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (ConnectionFailure, OperationFailure) as error:
        if isinstance(error, ConnectionFailure) or is_transient(error):
            raise TransientSourceError(f"MongoDB cannot be read right now: {type(error).__name__}") from None
        raise SourceError(f"MongoDB cannot be read: error {error.code}") from None


def _unsound(balance: Document) -> str | None:
    """The first field that keeps the ledger from being understood; None in a sound document."""
    if not _is_number(balance.get("cachedBalance")):
        return "cachedBalance"
    ledger = balance.get("ledger")
    if not isinstance(ledger, list):
        return "ledger"
    for entry in ledger:
        if not isinstance(entry, dict):
            return "ledger"
        sound = {
            "_id": isinstance(entry.get("_id"), ObjectId),
            "kind": isinstance(entry.get("kind"), str),
            "amount": _is_number(entry.get("amount")),
            "at": isinstance(entry.get("at"), datetime | DatetimeMS),
            **{name: _is_utf8(entry.get(name)) for name in ("kind", "refId", "stripeSessionId")},
        }
        if not all(sound.values()):
            return f"ledger.{next(name for name, is_sound in sound.items() if not is_sound)}"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _ledger(balance: Document | None) -> Sequence[Document]:
    ledger = balance.get("ledger") if balance else None
    return ledger if isinstance(ledger, list) else []


def _organization_rows(organization: Document | None) -> list[Document]:
    if organization is None:
        return []
    return [{"organization_id": str(organization["_id"]), "plan": _text(organization.get("plan"))}]


def _subscription_rows(organization_id: str, subscription: Document | None) -> list[Document]:
    """The fields that name things; no rule of disputes needs the times."""
    if subscription is None:
        return []
    return [
        {
            **dict.fromkeys(SUBSCRIPTIONS.column_names),
            "organization_id": organization_id,
            "stripe_customer_id": _text(subscription.get("stripeCustomerId")),
            "stripe_subscription_id": _text(subscription.get("stripeSubscriptionId")),
            "plan": _text(subscription.get("plan")),
            "status": _text(subscription.get("status")),
        }
    ]


def _balance_rows(organization_id: str, balance: Document | None, size: int) -> list[Document]:
    if balance is None:
        return []
    ledger = _ledger(balance)
    return [
        {
            "organization_id": organization_id,
            "cached_balance": balance["cachedBalance"],
            "ledger_sum": math.fsum(float(str(entry["amount"])) for entry in ledger),
            "entry_count": len(ledger),
            "document_bytes": size,
            "cached_balance_at": _instant(balance.get("cachedBalanceAt")),
        }
    ]


def _dispute_rows(organization_id: str, ledger: Sequence[Document]) -> list[Document]:
    """The entries that the nightly table of the same name has, too."""
    clawbacks = [_CLAWBACK.fullmatch(_text(entry.get("refId")) or "") for entry in ledger if entry["kind"] == "refund"]
    expirations = {f"expire-{clawback['topup']}" for clawback in clawbacks if clawback}
    return [
        {
            "organization_id": organization_id,
            "entry_id": str(entry["_id"]),
            "kind": entry["kind"],
            "ref_id": ref_id,
            "amount": entry["amount"],
            "at": _instant(entry["at"]),
        }
        for entry in ledger
        if (ref_id := _text(entry.get("refId"))) is not None and _is_of_a_dispute(entry, ref_id, expirations)
    ]


def _is_of_a_dispute(entry: Document, ref_id: str, expirations: set[str]) -> bool:
    if entry["kind"] == "expiration":
        return ref_id in expirations
    correction = float(str(entry["amount"])) < 0 and _CORRECTION.search(ref_id) is not None
    return entry["kind"] in ("refund", "adjustment") and (ref_id.startswith(_DISPUTE_REFS) or correction)


def _purchase_rows(organization_id: str, ledger: Sequence[Document]) -> list[Document]:
    return [
        {
            "organization_id": organization_id,
            "entry_id": str(entry["_id"]),
            "stripe_session_id": session,
            "amount": entry["amount"],
            "at": _instant(entry["at"]),
        }
        for entry in ledger
        if entry["kind"] == "topup" and (session := _text(entry.get("stripeSessionId"))) is not None
    ]


def _unreadable_rows(organization_id: str, balances: list[Document], sound: Document | None) -> list[Document]:
    """A document that is not sound, or one of several, leaves the organization's ledger in the dark."""
    if sound is not None:
        return []
    return [
        {
            "collection": "billingextrabalances",
            "document_id": str(balance["_id"]),
            "organization_id": organization_id,
            "week_key": None,
        }
        for balance in balances
    ]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value and _is_utf8(value) else None


def _is_utf8(value: object) -> bool:
    """False of text whose bytes are no UTF-8: the driver stands surrogates for them."""
    return not isinstance(value, str) or not any("\ud800" <= letter <= "\udfff" for letter in value)


def _instant(value: object) -> datetime | None:
    """A date that can be shown; the driver has a type of its own for those that Python cannot hold."""
    if isinstance(value, DatetimeMS):
        return LATEST if int(value) > 0 else EARLIEST
    return value if isinstance(value, datetime) else None
