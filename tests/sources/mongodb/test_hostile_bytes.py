"""Mutated real documents: never read past, never read as something else, always explained.

The long run, with numba's own check of every index, is in CONTRIBUTING.md.
"""

import os
import random
from collections.abc import Iterator
from contextlib import suppress

import bson
import pytest
from bson.errors import InvalidBSON

from billing_dq.errors import SourceError
from billing_dq.sources.mongodb.bson.explained import faults
from billing_dq.sources.mongodb.bson.judged import Rows
from billing_dq.sources.mongodb.bson.raw_document import Malformed, elements
from tests.sources.mongodb.test_walker import CONTRACTS, assert_same_values, judged
from tests.support.plain_contract import breaks, decoded

MUTATIONS = int(os.environ.get("BILLING_DQ_TEST_MUTATIONS", "3000"))
_TOGETHER = 200
_NASTY = [0, 1, 4, 5, 127, 128, 255, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 5]


def mutated(raw: bytes, rng: random.Random) -> bytes:
    """The document with one to three changes; mostly its own length and last byte are set right again."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(4, len(data))
        match rng.randrange(7):
            case 0:
                data[place] = rng.randrange(256)
            case 1:
                data[place] ^= 1 << rng.randrange(8)
            case 2:
                data[place : place + 4] = rng.choice(_NASTY).to_bytes(4, "little")
            case 3:
                del data[place : place + rng.choice((1, 4, 12, 40))]
            case 4:
                data[place:place] = rng.randbytes(rng.choice((1, 4, 12)))
            case 5:
                start = rng.randrange(4, len(data))
                data[place:place] = data[start : start + rng.choice((8, 30, 100))]
            case _:
                data[place] = rng.choice((1, 2, 3, 4, 7, 8, 9, 10, 16, 18))
        if len(data) < 6:
            break
    if rng.random() < 0.9 and len(data) >= 5:
        data[:4] = len(data).to_bytes(4, "little")
        data[-1] = 0
    return bytes(data)


def corpus(sample: dict[str, list[dict[str, object]]], collection: str) -> list[bytes]:
    """Real documents, short enough that a change meets a field."""
    raw = [bson.encode(one) for one in sample[collection]]
    return sorted(raw, key=len)[: max(20, len(raw) // 2)]


def has_a_field_twice(raw: bytes) -> bool:
    """Whether a name comes twice in an object anywhere; the driver keeps the last."""
    names = [element.name for element in elements(raw)]
    inner = [element.value for element in elements(raw) if element.kind == 3]
    inner += [item.value for element in elements(raw) if element.kind == 4 for item in elements(element.value)
              if item.kind == 3]  # fmt: skip
    return len(names) != len(set(names)) or any(map(has_a_field_twice, inner))


def check(collection: str, rows: Rows, row: int, raw: bytes) -> bool:
    """Hold a judged document to what the driver decodes; whether it could."""
    contract = CONTRACTS[collection]
    assert bool(rows.broken[row]) == bool(faults(contract, raw)), raw
    try:
        document = decoded(raw)
        twice = has_a_field_twice(raw)
    except (InvalidBSON, Malformed):
        return False
    if not twice:
        assert bool(rows.broken[row]) == breaks(contract.fields, document), raw
        if not rows.broken[row]:
            assert_same_values(rows, row, contract.fields, document)
    return True


@pytest.mark.parametrize("collection", CONTRACTS)
def test_mutated_documents_are_judged_as_the_driver_decodes_them(
    sample_documents: dict[str, list[dict[str, object]]], collection: str
) -> None:
    real, rng = corpus(sample_documents, collection), random.Random(collection)
    decodable = 0
    for some in _batches(real, rng, MUTATIONS // len(CONTRACTS)):
        framed = [raw for raw in some if raw[:4] == len(raw).to_bytes(4, "little") and raw[-1] == 0 and len(raw) > 4]
        rows = judged(collection, *framed)
        assert len(rows.broken) == len(framed)
        decodable += sum(check(collection, rows, row, raw) for row, raw in enumerate(framed))
        for raw in some:
            if raw not in framed:
                with suppress(SourceError):  # refused, or by chance some documents
                    found = judged(collection, raw)
                    for row in range(len(found.broken)):
                        check(collection, found, row, found.raw(row))
    assert decodable > MUTATIONS // 50


def _batches(real: list[bytes], rng: random.Random, mutations: int) -> Iterator[list[bytes]]:
    for _ in range(0, mutations, _TOGETHER):
        yield [mutated(rng.choice(real), rng) for _ in range(_TOGETHER)]
