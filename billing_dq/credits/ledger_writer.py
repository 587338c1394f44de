"""The one write: the credit of a reinstated dispute, pushed into an organization's ledger. No other code writes there.

See docs/domain.md, "What billing_dq changes".

The update is guarded twice (docs/stripe.md, "The credit of a reinstated dispute", 6): the entry's `refId` must be
absent and the ledger must have the length that the plan was made from. The ledger is append only, so an unchanged
length is an unchanged ledger. It is never an upsert, and it is acknowledged by the majority's journal or counts as
unknown. Retryable writes are off: after a lost answer the ledger is read, so that a driver's own second attempt can
hide nothing from the audit.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bson import ObjectId
from pymongo import MongoClient, ReadPreference
from pymongo.collection import Collection
from pymongo.errors import ConnectionFailure, OperationFailure, PyMongoError, WriteConcernError
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.connection import DECODED, is_transient, unusable
from billing_dq.sources.mongodb.organization_ledger import WrittenCredit, number_or_nan, written_credit
from billing_dq.vocabulary.references import session_livemode

Document = dict[str, object]
WriteOutcome = Literal["written", "missed", "unknown"]

#: A write that takes longer than this is looked up, not waited for.
WRITE_SECONDS = 30.0
#: Whole numbers beyond this are no longer exact in the application's JavaScript.
_LARGEST_WHOLE = 2**53
_WRITE_CONFLICT = 112
_NOT_ALLOWED = (13, 18)
_TOO_LARGE = (10334, 17419)
_NOT_VALID = 121
#: What a server answers to an update that it did not apply: no right, too large, against the collection's validator, a
#: duplicate in a unique index, or a command that it does not take. All else is unknown, and looked up.
_REFUSALS = frozenset({*_NOT_ALLOWED, *_TOO_LARGE, _NOT_VALID, 11000, 2, 9, 14, 20, 40, 59, 72})


@dataclass(frozen=True)
class Credit:
    """One credit to be written, in units, and the length of the ledger that it was planned from."""

    organization_id: str
    ref_id: str
    units: float
    ledger_length: int
    entry_id: str
    at: datetime
    memo: str

    def entry(self) -> Document:
        """The ledger entry, in the application's field order; the memo, which it does not know, comes last."""
        return {
            "kind": "adjustment",
            "amount": as_number(self.units),
            "refId": self.ref_id,
            "at": self.at,
            "_id": ObjectId(self.entry_id),
            "memo": self.memo,
        }


@dataclass(frozen=True)
class LedgerReading:
    """A ledger at one instant: entries, the balance as cached and as added up (units), and those under one refId.

    ``livemode`` are the modes that its checkout sessions tell.
    """

    length: int
    cached_balance: float
    ledger_sum: float
    entries: tuple[WrittenCredit, ...]
    livemode: frozenset[bool]

    @property
    def gap(self) -> float:
        """What the cached balance is off by; a correct write leaves it as it was, whatever else is written."""
        return self.cached_balance - self.ledger_sum


class LedgerWriter:
    """Writes credits into the collection of balance documents, and reads them back from the same primary."""

    def __init__(self, balances: Collection[Document]) -> None:
        self._balances = balances.with_options(
            DECODED,
            write_concern=WriteConcern(w="majority", j=True, wtimeout=int(WRITE_SECONDS * 1000)),
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )

    def write(self, credit: Credit) -> WriteOutcome:
        """Push the entry and move the balance in one update.

        Returns:
            ``missed`` where the guard did not hold, ``unknown`` where the answer was lost: read before anything else.

        Raises:
            ValueError: the units are not a finite whole number above 0.
            SourceError: the server refuses the write for good.
        """
        guard: Document = {
            "organization": ObjectId(credit.organization_id),
            "ledger.refId": {"$ne": credit.ref_id},
            "ledger": {"$size": credit.ledger_length},
        }
        entry = credit.entry()
        change: Document = {
            "$push": {"ledger": entry},
            "$inc": {"cachedBalance": entry["amount"]},
            "$set": {"cachedBalanceAt": credit.at, "updatedAt": credit.at},
        }
        try:
            result = self._balances.update_one(guard, change, upsert=False)
        except OperationFailure as error:
            if error.code == _WRITE_CONFLICT:
                return "missed"
            if error.code in _REFUSALS and not isinstance(error, WriteConcernError):
                raise SourceError(f"the credit was not written: {_reason(error)}") from None
            return "unknown"
        except ConnectionFailure:  # time-outs and lost connections: it may have been applied
            return "unknown"
        return "written" if result.modified_count == 1 else "missed"

    def read(self, organization_id: str, ref_id: str) -> LedgerReading:
        """The ledger now, in one read of one document.

        Raises:
            TransientSourceError: the server does not answer.
            SourceError: the document is gone, or cannot be read as a ledger.
        """
        with _reading():
            document = self._balances.find_one(
                {"organization": ObjectId(organization_id)}, max_time_ms=round(WRITE_SECONDS * 1000)
            )
        if document is None:
            raise SourceError(f"organization {organization_id} has no balance document any more")
        ledger, cached = document.get("ledger"), document.get("cachedBalance")
        if not isinstance(ledger, list) or not isinstance(cached, (int, float)):
            raise SourceError(f"the balance document of organization {organization_id} cannot be read as a ledger")
        return LedgerReading(
            length=len(ledger),
            cached_balance=float(cached),
            ledger_sum=math.fsum(number_or_nan(entry.get("amount")) for entry in ledger if isinstance(entry, dict)),
            entries=tuple(
                written_credit(organization_id, entry)
                for entry in ledger
                if isinstance(entry, dict) and entry.get("refId") == ref_id
            ),
            livemode=_livemode(ledger),
        )


@contextmanager
def open_ledger_writer(settings: Settings, seconds: float = WRITE_SECONDS) -> Iterator[LedgerWriter]:
    """A writer on its own connection, closed afterwards.

    Raises:
        SourceError: there is no address to write to, so credits are off.
    """
    if settings.mongodb_write_uri is None:
        raise SourceError("credits are off: set BILLING_DQ_MONGODB_WRITE_URI to a user who may update balances")
    uri = settings.mongodb_write_uri
    try:
        client = MongoClient[Document](
            uri.get_secret_value(),
            appname="billing_dq-credits",
            retryWrites=False,
            serverSelectionTimeoutMS=int(settings.mongodb_connect_seconds * 1000),
            connectTimeoutMS=int(settings.mongodb_connect_seconds * 1000),
            socketTimeoutMS=int(min(seconds, settings.mongodb_timeout_seconds) * 1000),
        )
    except (OSError, PyMongoError, ValueError, TypeError) as error:
        raise unusable(error, uri, "BILLING_DQ_MONGODB_WRITE_URI") from None
    with client:
        yield LedgerWriter(client[settings.mongodb_database][settings.collections.billingextrabalances])


def as_number(units: float) -> int | float:
    """Whole units as JavaScript would store them: an integer where exact, else a double.

    Raises:
        ValueError: not a finite whole number above 0.
    """
    if not math.isfinite(units) or units <= 0 or not float(units).is_integer():
        raise ValueError(f"a credit of {units} units is impossible")
    return int(units) if units < _LARGEST_WHOLE else float(units)


def _livemode(ledger: list[object]) -> frozenset[bool]:
    sessions = {str(entry.get("stripeSessionId")) for entry in ledger if isinstance(entry, dict)}
    modes = {session_livemode(session) for session in sessions}
    return frozenset(mode for mode in modes if mode is not None)


@contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (ConnectionFailure, OperationFailure) as error:
        if isinstance(error, ConnectionFailure) or is_transient(error):
            raise TransientSourceError(f"the ledgers cannot be read right now: {type(error).__name__}") from None
        raise SourceError(f"the ledgers cannot be read: {_reason(error)}") from None


def _reason(error: OperationFailure) -> str:
    if error.code in _NOT_ALLOWED:
        return "the user of BILLING_DQ_MONGODB_WRITE_URI has no right to do this"
    if error.code in _TOO_LARGE:
        return "the organization's balance document is full (16 MiB)"
    if error.code == _NOT_VALID:
        return "the collection's own validation refuses the entry"
    return f"the server answered with error {error.code} ({(error.details or {}).get('codeName', 'no name')})"
