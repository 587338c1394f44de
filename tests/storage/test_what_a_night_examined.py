"""A night that compared nothing, or too little, is incomplete: it says what it could read."""

from datetime import UTC, datetime

import pytest

from billing_dq.storage.records import CollectionCounts, SnapshotFactsRecord
from tests.support.snapshot_facts import snapshot_facts

AS_OF = datetime(2026, 11, 21, 3, 10, tzinfo=UTC)
WHOLE = {"organizations": (6, 0), "subscriptions": (6, 0), "billingusages": (6, 0), "billingextrabalances": (5, 0)}


def facts(least_examined: float = 0.5, **counts: tuple[int, int]) -> SnapshotFactsRecord:
    """Documents read and quarantined, by collection."""
    counted = {
        name: CollectionCounts(counted=read + bad, read=read, quarantined=bad, out_of_scope=0)
        for name, (read, bad) in {**WHOLE, **counts}.items()
    }
    return snapshot_facts(AS_OF, counts=counted, least_examined=least_examined)


def test_a_night_that_could_read_everything_is_complete() -> None:
    assert facts().incomplete_because == ""
    assert set(facts().examined.values()) == {1.0}


def test_an_empty_database_is_no_company() -> None:
    empty = facts(**dict.fromkeys(WHOLE, (0, 0)))
    assert empty.incomplete_because.startswith("no organization was read")
    assert empty.examined == {}


def test_without_usage_in_its_weeks_a_night_compared_nothing() -> None:
    assert facts(billingusages=(0, 0)).incomplete_because.endswith("nothing was compared")


def test_documents_that_nobody_can_read_are_told_with_their_number() -> None:
    text_ids = facts(subscriptions=(0, 6), billingusages=(2, 4))
    assert text_ids.incomplete_because == (
        "only 0 of 6 of subscriptions, 2 of 6 of billingusages could be read, less than least_examined = 0.5"
    )


@pytest.mark.parametrize(("read", "complete"), [(3, True), (2, False)])
def test_exactly_the_least_share_is_enough(read: int, complete: bool) -> None:
    assert (facts(subscriptions=(read, 6 - read)).incomplete_because == "") is complete


def test_a_company_without_extras_or_webhook_events_is_a_company() -> None:
    assert facts(billingextrabalances=(0, 0), processedstripeevents=(0, 9)).incomplete_because == ""


def test_a_night_of_an_older_version_is_judged_by_no_share() -> None:
    assert facts(0.0, organizations=(0, 6)).incomplete_because == ""
