"""A collection in pieces: whole organizations wherever the server's replies end, and every document counted once."""

from datetime import UTC, datetime

import bson
import pytest
from bson import Binary, Decimal128, ObjectId

from billing_dq.settings import Collections
from billing_dq.sources.mongodb.bson.contract import contracts
from billing_dq.sources.mongodb.bson.pieces import Piece, Sorting
from billing_dq.sources.mongodb.documents.duplicates import newest_first
from billing_dq.sources.mongodb.quarantine import Quarantine
from tests.support.mongo_world import NIGHT, Document

CONTRACTS = contracts(Collections().model_dump(), ("free",), NIGHT.as_of)
ONE, TWO, THREE = (ObjectId(letter * 24) for letter in "abc")


def usage(organization: object, week: object, **more: object) -> bytes:
    document = {"_id": ObjectId(), "organizationId": organization, "weekKey": week, "meterUsed": 1, "meterQuota": 0}
    return bson.encode({**document, **more})


def sorted_in(*batches: list[bytes]) -> tuple[list[list[str]], Sorting, Quarantine]:
    """The organizations of the pieces that batches of usage documents are cut into."""
    quarantine = Quarantine()
    sorting = Sorting(CONTRACTS["billingusages"], NIGHT, quarantine)
    pieces = [piece for batch in batches for piece in sorting.add(b"".join(batch))] + sorting.end()
    return [organizations(piece) for piece in pieces if len(piece.chosen)], sorting, quarantine


def organizations(piece: Piece) -> list[str]:
    places = piece.rows.cells("organizationId").values[piece.chosen]
    return [piece.rows.buffer[place : place + 12].tobytes().hex()[0] for place in places]


def test_an_organization_is_never_cut_by_the_end_of_a_reply() -> None:
    pieces, sorting, _ = sorted_in(
        [usage(ONE, "2026-W45"), usage(ONE, "2026-W46"), usage(TWO, "2026-W44")],
        [usage(TWO, "2026-W45")],
        [usage(TWO, "2026-W46")],
        [usage(TWO, "2026-W47"), usage(THREE, "2026-W44")],
    )
    assert pieces == [["a", "a"], ["b"] * 4, ["c"]]
    assert (sorting.read, sorting.quarantined, sorting.out_of_scope) == (7, 0, 0)


def test_duplicates_are_found_across_the_end_of_a_reply() -> None:
    old, new = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 2, tzinfo=UTC)
    pieces, sorting, quarantine = sorted_in(
        [usage(ONE, "2026-W45", updatedAt=new)], [usage(ONE, "2026-W45", updatedAt=old)], [usage(TWO, "2026-W45")]
    )
    assert pieces == [["a"], ["b"]]
    assert (sorting.read, sorting.quarantined) == (2, 1)
    assert quarantine.tables()[0]["reason"].tolist() == ["duplicate_key"]


def test_every_document_is_read_quarantined_or_out_of_scope_and_counted_once() -> None:
    pieces, sorting, _ = sorted_in(
        [usage(None, "2026-W45"), usage("text", "2026-W45"), usage(ONE, None), usage(ONE, "1999-W01")],
        [usage(ONE, "2026-W54"), usage(ONE, ["2026-W46"]), usage(ONE, "2026-W47")],
        [usage(TWO, "2026-W47", meterUsed="x")],
        [],
    )
    assert pieces == [["a"]]
    assert (sorting.read, sorting.quarantined, sorting.out_of_scope, sorting.seen) == (1, 5, 2, 8)


def test_a_piece_is_split_into_so_many_organizations_at_most() -> None:
    sorting = Sorting(CONTRACTS["billingusages"], NIGHT, Quarantine())
    ids = [ObjectId(f"{number:024x}") for number in range(7)]
    pieces = sorting.add(b"".join(usage(one, week) for one in ids for week in ("2026-W45", "2026-W46")))
    pieces += sorting.end()
    assert [len(part.chosen) for piece in pieces for part in piece.split(3)] == [6, 6, 2]


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ({"_id": 5, "updatedAt": None}, {"_id": 1, "updatedAt": datetime(2026, 1, 1, tzinfo=UTC)}),
        ({"_id": 1}, {"_id": 2}),
        ({"_id": Decimal128("1.5")}, {"_id": 2}),
        ({"_id": 9}, {"_id": "1"}),
        ({"_id": "b"}, {"_id": "ba"}),
        ({"_id": "z"}, {"_id": {"a": 1}}),
        ({"_id": {"a": 1}}, {"_id": b"z"}),
        ({"_id": Binary(b"zz")}, {"_id": ObjectId("0" * 24)}),
        ({"_id": ObjectId("f" * 24)}, {"_id": datetime(2026, 1, 1, tzinfo=UTC)}),
    ],
)
def test_the_newest_is_told_as_the_server_would_sort(older: Document, newer: Document) -> None:
    assert newest_first({1: older, 2: newer}) == [2, 1]
    assert newest_first({1: newer, 2: older}) == [1, 2]
