import pandas as pd
import pytest

from billing_dq.reconcile.disputes.timeline import TimelineEvent, timeline
from billing_dq.tables import DISPUTE_ENTRIES, PACK_PURCHASES, STRIPE_DISPUTES
from tests.support.dispute_rows import (
    OPENED,
    ORG,
    OTHER_ORG,
    SESSION,
    World,
    by_hand,
    clawback,
    dispute,
    entry,
    moved,
    own_credit,
    world,
)


def told(case: World, dispute_id: str = "du_1") -> tuple[TimelineEvent, ...]:
    bought = {"organization_id": ORG, "entry_id": "e", "stripe_session_id": SESSION, "amount": 6000.0}
    return timeline(
        dispute_id,
        STRIPE_DISPUTES.from_rows(case.disputes),
        DISPUTE_ENTRIES.from_rows(case.entries),
        PACK_PURCHASES.from_rows([bought | {"at": pd.Timestamp("2026-10-01", tz="UTC")}]),
    )


def test_every_event_is_told_with_its_time_its_unit_and_what_it_refers_to():
    case = world(clawback(), by_hand(5000), disputes=[dispute("du_1", moved(-550, 1, "usd", 1.1), currency="eur")])
    opened = pd.Timestamp(OPENED)
    day = pd.Timedelta(days=1)
    refund, by_person = "refund-dispute_du_1-6ad8a43ef9c10e4a444e7a3d", "credit by hand (names no dispute)"
    assert told(case) == (
        TimelineEvent(pd.Timestamp("2026-10-01", tz="UTC"), "ledger", "pack bought", 6000.0, "units", SESSION),
        TimelineEvent(opened, "Stripe", "dispute opened, now won", 500.0, "eur", "ch_1"),
        TimelineEvent(opened + 0.01 * day, "ledger", "clawback", -6000.0, "units", refund),
        TimelineEvent(opened + day, "Stripe", "money withdrawn", -550, "usd", "exchange rate 1.1"),
        TimelineEvent(opened + 22 * day, "ledger", by_person, 5000.0, "units", "dispute-credit-a"),
    )


def test_a_movement_without_a_rate_refers_to_nothing():
    assert [event.reference for event in told(world(clawback())) if "money" in event.event] == ["", ""]


def events(case: World) -> list[tuple[str, str, float]]:
    return [(event.side, event.event, event.amount) for event in told(case)]


def test_the_story_goes_across_both_sides_in_the_order_of_time():
    assert events(world(own_credit(), clawback())) == [
        ("ledger", "pack bought", 6000.0),
        ("Stripe", "dispute opened, now won", 500.0),
        ("Stripe", "money withdrawn", -500.0),
        ("ledger", "clawback", -6000.0),
        ("Stripe", "money reinstated", 500.0),
        ("ledger", "credit by this system", 6000.0),
    ]


def test_credits_by_hand_of_the_organization_since_the_withdrawal_belong_to_the_story():
    case = world(
        clawback(), by_hand(5000), by_hand(7, days=-1, request="b"), by_hand(9, request="c", organization=OTHER_ORG)
    )
    assert [amount for _, event, amount in events(case) if "by hand" in event] == [5000.0]


def test_a_credit_by_hand_at_the_very_withdrawal_belongs_to_the_story_and_one_before_it_does_not():
    case = world(by_hand(8, days=1), by_hand(7, days=0.9, request="b"), disputes=[dispute("du_1", moved(-500, 1))])
    assert [amount for _, event, amount in events(case) if "by hand" in event] == [8.0]


def test_while_nothing_is_withdrawn_credits_by_hand_count_since_the_dispute_was_opened():
    case = world(by_hand(8, days=0), by_hand(7, days=-1, request="b"), disputes=[dispute() | {"movements": []}])
    assert [amount for _, event, amount in events(case) if "by hand" in event] == [8.0]


def test_what_names_the_dispute_in_another_ledger_is_told():
    case = world(clawback(), own_credit(organization=OTHER_ORG))
    assert events(case)[-1] == ("ledger", f"in the ledger of {OTHER_ORG}", 6000.0)


def test_both_clawbacks_are_told_and_other_disputes_are_not():
    case = world(clawback(), entry("dispute_du_1", -5000, 2), clawback("du_2"))
    assert [amount for _, event, amount in events(case) if event == "clawback"] == [-6000.0, -5000.0]


def test_a_rate_is_part_of_the_story():
    story = told(world(clawback(), disputes=[dispute("du_1", moved(-550, rate=1.1), currency="eur")]))
    assert "exchange rate 1.1" in [event.reference for event in story]


def test_a_dispute_that_the_night_does_not_hold_is_an_error():
    with pytest.raises(LookupError, match="no dispute du_9"):
        told(world(clawback()), "du_9")
