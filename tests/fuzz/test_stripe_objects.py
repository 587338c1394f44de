"""Stripe objects in which anything may be anything: quarantined with a reason, or the reading refused in one line."""

import random
from copy import deepcopy

import pytest

from billing_dq.errors import SourceError
from billing_dq.sources.progress import SilentProgress
from billing_dq.sources.stripe import client
from billing_dq.sources.stripe.api import StripeReading, read_stripe
from billing_dq_simulation.faults.stripe import Faults
from billing_dq_simulation.local_stripe import LocalStripe
from tests.faults import company
from tests.faults.memory_stripe import MemoryTransport, session_of
from tests.faults.plan import Edge, Process
from tests.support.examples import hostile_examples
from tests.support.stripe_night import FakeClock

EXAMPLES = hostile_examples()
_LISTED = ("subscriptions", "disputes", "refunds", "events")
#: The table of each resource whose rows carry the object's id.
_ROWS = {
    "subscriptions": ("stripe_subscriptions", "stripe_subscription_id"),
    "disputes": ("stripe_disputes", "dispute_id"),
}
_ODD = (None, True, -1, 2**70, 1.5, "", "x", "1e999", "\x1b[31m", "=1+1", [], [None], {}, {"id": None}, {"data": [1]})


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Every path into an object."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for name, one in inner for place in [(*path, name), *places(one, (*path, name))]]


def places_to_spoil(found: dict) -> list[tuple[object, ...]]:
    """Every path into a Stripe object but that of its id."""
    return [place for place in places(found) if place != ("id",)]


def put(found: dict, where: tuple[object, ...], value: object) -> None:
    """Put a value into an object, at a path."""
    *way, last = where
    for name in way:
        found = found[name]
    found[last] = value


def spoiled(rng: random.Random, found: dict) -> dict:
    """A copy in which one value is another; the id stays, so that it is known what became of it."""
    changed = deepcopy(found)
    put(changed, rng.choice(places_to_spoil(changed)), rng.choice(_ODD))
    return changed


def reading(objects: dict[str, list[dict]]) -> StripeReading:
    stripe = LocalStripe(objects, Faults(), None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client.requests, "Session", session_of(MemoryTransport(stripe, Edge(Process()))))
        return read_stripe(company.settings_of(1, "unused"), company.as_of(0), [], SilentProgress(), FakeClock())


def rows_but(frames: dict, resource: str, object_id: str) -> dict[str, list[tuple]]:
    """The rows of subscriptions and disputes but for one object."""
    shown = {}
    for table, column in _ROWS.values():
        frame = frames[table]
        kept = frame[frame[column] != object_id]
        shown[table] = sorted(map(repr, kept.astype(str).itertuples(index=False, name=None)))
    return shown


@pytest.mark.parametrize("part", range(3))
def test_a_spoiled_object_never_breaks_the_reading_and_never_changes_another(part: int) -> None:
    sound = company.objects_of(1, 0)
    expected = reading(sound).frames
    rng = random.Random(f"stripe objects {part}")
    refusals: list[str] = []
    for number in range(EXAMPLES // 3):
        objects = deepcopy(sound)
        resource = rng.choice([name for name in _LISTED if objects.get(name)])
        at = rng.randrange(len(objects[resource]))
        spoilt = objects[resource][at] = spoiled(rng, objects[resource][at])
        try:
            found = reading(objects).frames
        except SourceError as error:
            refusals.append(str(error))
            continue
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            if "billing_dq_simulation" in str(error.__traceback__ and _innermost(error)):
                continue  # the local Stripe itself cannot serve it
            raise AssertionError(f"part {part}, example {number}: {resource} {spoilt}") from error
        quarantined = found["quarantined_stripe_objects"]
        assert (quarantined["reason"].str.len() > 0).all()
        if resource in _ROWS:
            object_id = str(spoilt["id"])
            assert rows_but(found, resource, object_id) == rows_but(expected, resource, object_id), (
                part,
                number,
                spoilt,
            )
    assert not any("\n" in refusal for refusal in refusals)


def _innermost(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else trace.tb_frame.f_code.co_filename
