"""One organization, read now: its tables are the rows that a night of the same database has of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import bson
import pytest
from bson import Decimal128, ObjectId
from bson.datetime_ms import DatetimeMS
from pandas.testing import assert_frame_equal
from pymongo.collection import Collection
from pymongo.database import Database

from billing_dq.settings import Settings
from billing_dq.sources.mongodb.organization_ledger import OrganizationReader, OrganizationReading
from billing_dq.sources.mongodb.snapshot import read_snapshot
from billing_dq.sources.progress import SilentProgress
from billing_dq.weeks import NightWeeks
from tests.support.mongo_world import World, empty_world, fill, frames_of, random_world, settings_for

Document = dict[str, object]
Read = Callable[..., OrganizationReading]
ORGANIZATION = ObjectId("a" * 24)
AT = datetime(2026, 11, 1, tzinfo=UTC)
ENTRY: Document = {"_id": ObjectId(), "kind": "topup", "amount": 5, "at": AT, "refId": "caf~"}
WRONG: list[Document] = [
    {"cachedBalance": "5"},
    {"cachedBalance": float("nan")},
    {"cachedBalance": None},
    {"ledger": {}},
    {"ledger": ["text"]},
    {"ledger": [{**ENTRY, "amount": Decimal128("5")}]},
    {"ledger": [{**ENTRY, "at": "2026-11-01"}]},
    {"ledger": [{**ENTRY, "_id": "text"}]},
    {"ledger": [{**ENTRY, "kind": 7}]},
    {"ledger": [{**ENTRY, "refId": 7}]},
    {"ledger": [{**ENTRY, "stripeSessionId": 7}]},
    {"ledger": [{**ENTRY, "expiresAt": "soon"}]},
    {"cachedBalanceAt": "today"},
    {"organization": "A" * 24},
]


@pytest.fixture
def read(database: Database[Document], monkeypatch: pytest.MonkeyPatch) -> Read:
    """Reads an organization whose balance document has one top-up with these fields.

    The embedded server takes neither such dates nor such text; real ones do, so the answer is put in its mouth.
    """

    def reading(text: bytes = b"caf~", **fields: object) -> OrganizationReading:
        ledger = [{**ENTRY, "stripeSessionId": "cs_1", **fields}]
        document = bson.encode({"_id": 1, "organization": ORGANIZATION, "cachedBalance": 5, "ledger": ledger})
        answers = {"billingextrabalances": [document.replace(b"caf~", text)]}
        monkeypatch.setattr(Collection, "find_raw_batches", lambda self, *_, **__: iter(answers.get(self.name, [])))
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


def balance(**fields: object) -> Document:
    return {"organization": ObjectId(), "cachedBalance": 5, "ledger": [ENTRY], "updatedAt": AT} | fields


def malformed_world() -> World:
    """Balances that break the contract, one in each way, and an organization that has two."""
    world = empty_world()
    twice = ObjectId()
    world["billingextrabalances"] = [
        balance(**wrong) for wrong in [*WRONG, {"organization": twice}, {"organization": twice}, {}]
    ]
    world["subscriptions"] = [{"organization": ObjectId(), "plan": 7}, {"organization": ObjectId(), "plan": "free"}]
    world["organizations"] = [{"_id": one["organization"], "plan": "free"} for one in world["billingextrabalances"][:1]]
    return world


@pytest.mark.parametrize("kind", ["sample", "random", "malformed"])
def test_the_credit_reads_of_an_organization_what_the_night_reads(
    kind: str,
    database: Database[Document],
    mongodb_uri: str,
    sample_documents: dict[str, list[Document]],
    tmp_path: Path,
) -> None:
    world = {
        "sample": lambda: sample_documents,
        "random": lambda: random_world(5, 30),
        "malformed": malformed_world,
    }[kind]()
    fill(database, world)
    settings = settings_for(database, mongodb_uri)
    night = NightWeeks(datetime.now(UTC), settings.weeks_back, settings.settling_hours)
    of_the_night = frames_of(read_snapshot(settings, night, tmp_path, SilentProgress()))
    reader = OrganizationReader(settings, database)
    named = {
        str(one.get("organization", one["_id"])).lower()
        for name in ("organizations", "billingextrabalances", "subscriptions")
        for one in world[name]
    }
    assert named
    # each one costs three queries; of the companies without a broken document every fourth is enough
    for organization in sorted(named)[:: 1 if kind == "malformed" else 4]:
        for name, frame in reader.read(organization).tables.items():
            expected = of_the_night[name]
            expected = expected[
                (expected["organization_id"] == organization)
                & (name != "unreadable_keys" or expected["collection"] != "billingusages")
            ]
            assert_frame_equal(frame, expected.reset_index(drop=True), obj=f"{name} of {organization}", rtol=1e-12)
