"""One organization, read now: what would crash a decoder is read as near as can be, or leaves the ledger in the dark.

The embedded server takes neither such dates nor such text; real ones do, so the answers are put in its mouth.
"""

from collections.abc import Callable
from datetime import datetime

import bson
import pytest
from bson import ObjectId
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo.collection import Collection
from pymongo.database import Database

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.organization_ledger import OrganizationReader, OrganizationReading

Document = dict[str, object]
Read = Callable[..., OrganizationReading]
ORGANIZATION = ObjectId("a" * 24)
ENTRY: Document = {"_id": ObjectId(), "kind": "topup", "amount": 5, "at": datetime(2026, 11, 1), "refId": "caf~"}


@pytest.fixture
def read(database: Database[Document], monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads an organization whose balance document has one top-up with these fields."""

    def reading(text: bytes = b"caf~", **fields: object) -> OrganizationReading:
        ledger = [{**ENTRY, "stripeSessionId": "cs_1", **fields}]
        document = bson.encode({"_id": 1, "organization": ORGANIZATION, "cachedBalance": 5, "ledger": ledger})
        answer = RawBSONDocument(document.replace(b"caf~", text))
        monkeypatch.setattr(Collection, "find", lambda *arguments, **options: [answer])
        monkeypatch.setattr(Collection, "find_one", lambda *arguments, **options: None)
        return OrganizationReader(Settings(), database).read(str(ORGANIZATION))

    return reading


def test_a_date_past_the_year_9999_is_read(read: Read) -> None:
    tables = read(at=DatetimeMS(8_640_000_000_000_000)).tables
    assert tables["unreadable_keys"].empty
    assert f"{tables['pack_purchases']['at'][0]:%Y}" == "9999"


def test_the_document_is_as_large_as_its_bytes(read: Read) -> None:
    small, large = (read(memo="x" * length).tables["extras_balances"]["document_bytes"][0] for length in (1, 101))
    assert large - small == 100


def test_text_that_is_not_utf8_leaves_the_ledger_in_the_dark(read: Read) -> None:
    tables = read(b"caf\xe9").tables
    assert tables["unreadable_keys"]["organization_id"].tolist() == [str(ORGANIZATION)]
    assert tables["extras_balances"].empty
    assert read().tables["unreadable_keys"].empty
