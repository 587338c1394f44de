"""The walk over bytes against `bson.decode`, on random documents of every type."""

import math
import struct
from datetime import UTC, datetime, timedelta

import bson
import pytest
from bson import Binary, Code, DBRef, Decimal128, Int64, MaxKey, MinKey, ObjectId, Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing_dq.errors import SourceError
from billing_dq.settings import Collections
from billing_dq.sources.mongodb.bson.contract import CollectionContract, Field, contracts
from billing_dq.sources.mongodb.bson.explained import faults
from billing_dq.sources.mongodb.bson.judged import Level, Rows, judge_documents
from billing_dq.sources.mongodb.bson.walker import Cells
from tests.support.plain_contract import OPTIONS, Document, breaks, decoded

AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
CONTRACTS = contracts(Collections().model_dump(), ("free", "pro"), AS_OF)
LEVELS = {name: Level(contract.fields) for name, contract in CONTRACTS.items()}

names = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
instants = st.integers(-(2**63), 2**63 - 1).map(DatetimeMS) | st.datetimes(timezones=st.just(UTC))
leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**31), 2**31 - 1),
    st.integers(-(2**63), 2**63 - 1).map(Int64),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["2026-W47", "2020-W53", "2026-W53", "2026-W47\n", "free", "pro", "active", "dead", "settle:x"]),
    st.binary(max_size=12),
    st.binary(max_size=12).map(lambda data: Binary(data, 2)),
    st.binary(min_size=12, max_size=12).map(ObjectId),
    instants,
    st.just(AS_OF + timedelta(minutes=5)),
    st.sampled_from([Decimal128("1"), Regex("x", "i"), Code("x"), Code("x", {"a": 1}), Timestamp(1, 2)]),
    st.sampled_from([MinKey(), MaxKey(), DBRef("c", 5)]),
)


def _fitting(field: Field, depth: int = 0) -> st.SearchStrategy[object]:
    """Values that mostly are of the field's type."""
    own: dict[str, st.SearchStrategy[object]] = {
        "objectId": st.binary(min_size=12, max_size=12).map(ObjectId),
        "string": st.sampled_from(field.one_of) if field.one_of else st.text(max_size=9) | st.just("2026-W47"),
        "number": st.integers(-5, 10**10) | st.floats(0, 1e9) | st.integers(0, 2**60).map(Int64),
        "date": st.datetimes(datetime(2020, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
        "bool": st.booleans(),
        "object": st.dictionaries(st.text(names, max_size=4), leaves, max_size=3),
    }
    if field.fields:
        item = st.fixed_dictionaries({}, optional={one.name: _fitting(one, 1) for one in field.fields})
        own["array"] = st.lists(item | leaves, max_size=4)
    elif field.items is not None:
        item = own[field.items] if field.items != "object" else leaves
        own["array"] = st.lists(item | leaves, max_size=4)
        own["object"] = st.dictionaries(st.text("ab.", max_size=4), own["number"] | leaves, max_size=3)
    return st.one_of(own[field.type], own[field.type], own[field.type], leaves)


def documents_of(contract: CollectionContract) -> st.SearchStrategy[Document]:
    """Documents of a collection: each field there or not, sound or not, in any order, others between them."""
    known = {field.name: _fitting(field) for field in contract.fields}
    others = st.dictionaries(
        st.text(names, max_size=6).filter(lambda name: name not in known),
        st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("x"), inner)),
        max_size=2,
    )
    made = st.tuples(st.fixed_dictionaries({}, optional=known), others).map(lambda parts: parts[0] | parts[1])
    return made.flatmap(lambda one: st.permutations(list(one.items())).map(dict))


def judged(collection: str, *raw: bytes) -> Rows:
    return judge_documents(LEVELS[collection], CONTRACTS[collection], b"".join(raw))


# the first example compiles, and text of all of Unicode is slow to draw
@pytest.mark.parametrize("collection", CONTRACTS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_the_walk_agrees_with_the_driver_on_every_document(collection: str, data: st.DataObject) -> None:
    documents = data.draw(st.lists(documents_of(CONTRACTS[collection]), max_size=4))
    raw = [bson.encode(document, codec_options=OPTIONS) for document in documents]
    rows = judged(collection, *raw)
    fields = CONTRACTS[collection].fields
    assert list(rows.broken) == [breaks(fields, decoded(one)) for one in raw]
    assert list(rows.broken) == [bool(faults(CONTRACTS[collection], one)) for one in raw]
    for row, one in enumerate(raw):
        if not rows.broken[row]:
            assert_same_values(rows, row, fields, decoded(one))


def assert_same_values(rows: Rows, row: int, fields: tuple[Field, ...], document: Document) -> None:
    """The cells of a sound row are the values that the driver decodes."""
    for field in fields:
        found, expected = value_of(rows, rows.cells(field.name), row), document.get(field.name)
        if field.type in ("array", "object") and expected is not None:
            items = rows.lists[field.name]
            of_row = range(items.firsts[row], items.firsts[row + 1])
            values = expected if isinstance(expected, list) else list(as_object(expected).values())
            assert len(of_row) == len(values)
            for item, value in zip(of_row, values, strict=True):
                if field.fields:
                    assert_same_values(rows.objects[field.name], item, field.fields, as_object(value))
                else:
                    assert value_of(rows, items.cells, item) == plain(value)
        else:
            assert found == plain(expected)


def as_object(value: object) -> Document:
    return value.as_doc() if isinstance(value, DBRef) else value  # pyright: ignore[reportReturnType]


def value_of(rows: Rows, cells: Cells, row: int) -> object:
    """The value of a cell, in Python."""
    kind, value, size = cells.kinds[row], int(cells.values[row]), int(cells.sizes[row])
    match kind:
        case 0 | 6 | 10:
            return None
        case 1 | 16 | 18:
            return struct.unpack("<d", struct.pack("<q", value))[0]
        case 2 | 14:
            return rows.buffer[value : value + size].tobytes().decode()
        case 7:
            return ObjectId(rows.buffer[value : value + 12].tobytes())
        case 8:
            return bool(value)
        case 9:
            return value
        case _:
            return kind


def plain(value: object) -> object:
    """What `value_of` makes of a decoded value."""
    if isinstance(value, bool) or value is None or isinstance(value, str | ObjectId):
        return value
    if isinstance(value, datetime):
        return int(DatetimeMS(value))
    return int(value) if isinstance(value, DatetimeMS) else float(value)  # pyright: ignore[reportArgumentType]


def test_bytes_that_are_no_documents_are_refused() -> None:
    sound = bson.encode({"organization": ObjectId()})
    for bad in (b"\0", sound[:-1], sound + b"\x05\0\0\0", sound[:-1] + b"\x01", b"\x04\0\0\0", b"\xff\xff\xff\xff\0"):
        with pytest.raises(SourceError, match="no documents"):
            judged("subscriptions", bad)


def test_a_field_that_comes_twice_is_never_guessed() -> None:
    once, again = bson.encode({"eventId": "a"}), bson.encode({"eventId": "b"})
    both = once[4:-1] + again[4:-1] + b"\0"
    raw = (len(both) + 4).to_bytes(4, "little") + both
    assert judged("processedstripeevents", raw).broken.all()
    assert faults(CONTRACTS["processedstripeevents"], raw) == {"eventId": "comes twice"}


def test_text_that_is_not_utf8_breaks_the_contract_and_is_named() -> None:
    raw = bson.encode({"eventId": "evt_1", "lastError": "caf~", "type": "x~"})
    assert not judged("processedstripeevents", raw).broken.any()
    for bad in (b"caf\xe9", b"ca\xed\xa0", b"ca\xc0\xaf", b"\xf5\x80\x80\x80"[:4], b"caf\xff"):
        spoiled = raw.replace(b"caf~", bad)
        assert judged("processedstripeevents", spoiled).broken.all()
        assert faults(CONTRACTS["processedstripeevents"], spoiled) == {"lastError": "is not UTF-8 text"}


def test_text_beyond_ascii_is_sound() -> None:
    raw = bson.encode({"eventId": "é", "lastError": "日本", "type": "\U0001f600\0x"})
    assert not judged("processedstripeevents", raw).broken.any()


def test_depth_costs_nothing_and_ends_nothing() -> None:
    deep: bytes = bson.encode({"x": 1})
    for _ in range(5_000):
        deep = bson.encode({"x": RawBSONDocument(deep)})
    top = bson.encode({"eventId": "e", "payload": RawBSONDocument(deep)})
    assert not judged("processedstripeevents", top).broken.any()
    wrong = bson.encode({"eventId": 5, "payload": RawBSONDocument(deep)})
    assert faults(CONTRACTS["processedstripeevents"], wrong) == {"eventId": "is an int32 where text belongs"}


def test_the_walk_knows_the_same_weeks_as_the_pattern() -> None:
    weeks = [f"{year}-W{week:02d}" for year in range(1890, 2210) for week in range(0, 99, 1 if year % 9 == 0 else 53)]
    base: Document = {"organizationId": ObjectId(), "meterUsed": 0, "meterQuota": math.pi}
    documents = [
        base | {"weekKey": week} for week in (*weeks, "2026-W1", "2026W470", "2026-w47", "-026-W47", "2026-W+7")
    ]
    rows = judged("billingusages", *map(bson.encode, documents))
    assert list(rows.broken) == [breaks(CONTRACTS["billingusages"].fields, one) for one in documents]


def test_long_lists_of_short_items_are_read_whole() -> None:
    keys = [chr(97 + number % 26) for number in range(5_000)]
    document: Document = {"organizationId": ObjectId(), "weekKey": "2026-W47", "meterUsed": 0, "meterQuota": 0}
    many = bson.encode({**document, "consumedAttributionKeys": keys, "meterBreakdown": dict.fromkeys(keys, 1)})
    nulls = bson.encode({**document, "consumedAttributionKeys": [None] * 5_000})
    rows = judged("billingusages", many, nulls, many)
    assert list(rows.broken) == [False, True, False]
    for row in (0, 2):
        assert_same_values(rows, row, CONTRACTS["billingusages"].fields, decoded(many))
