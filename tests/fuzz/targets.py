"""What bytes of any kind are given to, and what must hold of each.

A target takes bytes and raises AssertionError, or anything but a refusal, where they did harm.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path

import bson

from billing_dq.errors import SourceError
from tests.conftest import read_sample
from tests.faults import company
from tests.fuzz.test_rules_of_any_kind import is_read_or_refused
from tests.fuzz.test_settings_of_any_kind import taken_or_refused
from tests.fuzz.test_stripe_objects import places_to_spoil, put, reading
from tests.sources.mongodb.test_hostile_bytes import check, corpus
from tests.sources.mongodb.test_walker import CONTRACTS, judged

_COLLECTIONS = sorted(CONTRACTS)
_SEEDS = 40


def documents(data: bytes) -> None:
    """A document of the collection that the first byte tells, framed as the server frames one."""
    if len(data) < 6:
        return
    collection, body = _COLLECTIONS[data[0] % len(_COLLECTIONS)], data[1:]
    raw = len(body).to_bytes(4, "little") + body[4:-1] + b"\0"
    check(collection, judged(collection, raw), 0, raw)


def rules(data: bytes) -> None:
    """A file with rules."""
    path = _directory() / "rules" / "rules.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    is_read_or_refused(path)


def settings(data: bytes) -> None:
    """A file with settings."""
    os.chdir(_directory())
    Path("billing_dq.toml").write_bytes(data)
    taken_or_refused()


def stripe(data: bytes) -> None:
    """A Stripe object in which the place that the first bytes tell holds the JSON of the others."""
    try:
        value = json.loads(data[3:])
    except (ValueError, RecursionError):
        return
    objects = deepcopy(company.objects_of(1, 0))
    resource = sorted(name for name in objects if objects[name])[data[0] % 4]
    spoilt = objects[resource][data[1] % len(objects[resource])]
    there = places_to_spoil(spoilt)
    put(spoilt, there[data[2] % len(there)], value)
    refused = ""
    try:
        quarantined = reading(objects).frames["quarantined_stripe_objects"]
    except SourceError as error:
        refused = str(error)
    else:
        assert (quarantined["reason"].str.len() > 0).all()
    assert "\n" not in refused


TARGETS: dict[str, Callable[[bytes], None]] = {
    "documents": documents,
    "rules": rules,
    "settings": settings,
    "stripe": stripe,
}


def seeds(target: str) -> Iterator[bytes]:
    """Sound inputs of a target, from which a run starts."""
    root = Path(__file__).parents[2]
    match target:
        case "documents":
            sample = {name: read_sample(name) for name in _COLLECTIONS}
            for number, name in enumerate(_COLLECTIONS):
                for raw in corpus(sample, name)[:_SEEDS] if sample[name] else [bson.encode({})]:
                    yield bytes([number]) + raw
        case "rules":
            yield from (path.read_bytes() for path in sorted((root / "examples").rglob("*.yaml")))
        case "settings":
            yield (root / "billing_dq.example.toml").read_bytes()
        case "stripe":
            for number in range(_SEEDS):
                yield bytes([number, number * 7 % 256, number * 31 % 256]) + b'{"id": [null, 1.5, "x"]}'


@cache
def _directory() -> Path:
    return Path(tempfile.mkdtemp(prefix="billing_dq_fuzz_"))
