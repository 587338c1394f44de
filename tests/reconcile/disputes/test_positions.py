from datetime import timedelta

import pandas as pd
import pytest

from billing_dq.tables import DISPUTE_POSITIONS
from tests.support.dispute_rows import (
    AS_OF,
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

WON, LOST = [moved(-500), moved(500, 21)], [moved(-500)]
OPEN_STATUSES = ["needs_response", "under_review", "appeal_needs_response", "appeal_under_review"]
INQUIRIES = ["warning_needs_response", "warning_under_review", "warning_closed"]


# ---- due, or not ----


def test_a_reinstated_dispute_without_credit_is_due_in_full():
    case = world(clawback())
    row = case.position()
    assert case.decision() == ("due", "not_credited", 6000.0)
    assert (row["withdrawn_minor"], row["reinstated_minor"], row["fraction"]) == (500, 500, 1.0)
    assert (row["clawed_back_units"], row["credited_units"], row["currency"]) == (6000.0, 0.0, "usd")
    assert (row["charge_id"], row["status"], row["organization_id"]) == ("ch_1", "won", ORG)
    assert case.findings() == [("dispute_credit_due", -6000.0)]


def test_the_positions_keep_the_contract():
    result = world(clawback()).judged()
    pd.testing.assert_frame_equal(DISPUTE_POSITIONS.conform(result.positions), result.positions)
    columns = ["kind", "organization_id", "subject", "units", "cause", "explanation"]
    assert list(result.findings.columns) == columns
    assert list(world(own_credit(), clawback()).judged().findings.columns) == columns


def test_a_night_without_disputes_has_no_positions_and_no_findings():
    result = world(by_hand(6000), disputes=[]).judged()
    assert result.positions.empty
    assert result.findings.empty


def test_a_dispute_credited_by_this_system_is_done():
    case = world(clawback(), own_credit())
    assert case.decision() == ("nothing_due", "credited", 0.0)
    assert case.findings() == []


def test_a_dispute_credited_by_hand_is_done():
    case = world(clawback(), by_hand(6000))
    assert case.decision() == ("nothing_due", "credited_by_hand", 0.0)
    assert case.findings() == []


def test_several_credits_by_hand_that_add_up_are_done():
    case = world(clawback(), by_hand(1500), by_hand(4500, request="b"))
    assert case.decision() == ("nothing_due", "credited_by_hand", 0.0)
    assert case.findings() == []


def test_a_credit_by_hand_and_one_of_this_system_that_add_up_are_done():
    for units in (5000, 3500):  # the general ratio, and what was still owed
        case = world(clawback(), by_hand(units), own_credit(units=6000 - units, days=24))
        assert case.position()["credited_units"] == 6000
        assert case.decision() == ("nothing_due", "credited_by_hand", 0.0)
        assert case.findings() == []


def test_a_gift_beside_credits_that_add_up_parks_nothing():
    case = world(clawback(), by_hand(3500), own_credit(units=2500, days=24), by_hand(777, request="b"))
    assert case.decision() == ("nothing_due", "credited_by_hand", 0.0)
    assert case.findings() == []


def test_a_part_that_came_back_is_credited_in_proportion():
    case = world(clawback(), disputes=[dispute("du_1", moved(-500), moved(200, 21))])
    assert case.position()["fraction"] == pytest.approx(0.4)
    assert case.decision() == ("due", "not_credited", 2400.0)


def test_the_rest_of_a_part_that_was_credited_is_due_when_it_comes_back():
    later = dispute("du_1", moved(-500), moved(200, 21), moved(300, 24))
    case = world(clawback(), own_credit(units=2400), disputes=[later])
    assert case.decision() == ("due", "credited_short", 3600.0)
    assert case.findings() == [("dispute_credit_due", -3600.0)]


def test_a_share_is_rounded_half_up_and_never_above_the_clawback():
    half = dispute("du_1", moved(-500), moved(250, 21))
    assert world(clawback(units=5), disputes=[half]).decision() == ("due", "not_credited", 3.0)
    assert world(clawback(units=2.75)).decision() == ("due", "not_credited", 2.75)


def test_a_share_that_rounds_to_nothing_is_not_due():
    tiny = dispute("du_1", moved(-5000), moved(10, 21), amount_minor=5000)
    assert world(clawback(units=100), disputes=[tiny]).decision() == ("nothing_due", "nothing_to_credit", 0.0)


def test_the_clawback_is_mirrored_and_cents_are_never_converted():
    assert world(clawback(units=1234)).decision() == ("due", "not_credited", 1234.0)


@pytest.mark.parametrize(
    ("status", "reason"), [("lost", "lost"), ("won", "not_reinstated"), *((s, "open") for s in OPEN_STATUSES)]
)
def test_nothing_is_due_where_no_money_came_back_whatever_the_status(status: str, reason: str):
    case = world(clawback(), disputes=[dispute("du_1", *LOST, status=status)])
    assert case.position()["fraction"] == 0.0
    assert case.decision() == ("nothing_due", reason, 0.0)
    assert case.findings() == []


@pytest.mark.parametrize("status", ["won", "lost", *OPEN_STATUSES])
def test_money_that_came_back_counts_and_not_the_status(status: str):
    assert world(clawback(), disputes=[dispute(status=status)]).decision() == ("due", "not_credited", 6000.0)


@pytest.mark.parametrize("status", INQUIRIES)
def test_an_inquiry_moves_no_money(status: str):
    case = world(disputes=[dispute("du_1", status=status, movements=[])])
    assert case.decision() == ("nothing_due", "inquiry", 0.0)
    assert case.findings() == []


def test_a_prevented_dispute_has_nothing_due():
    case = world(disputes=[dispute("du_1", status="prevented", movements=[])])
    assert case.decision() == ("nothing_due", "prevented", 0.0)
    assert case.findings() == []


def test_the_dispute_of_a_subscription_payment_is_not_ours():
    foreign = dispute(organization_id=None, stripe_session_id=None, pack_id=None, amount_minor=9900)
    case = world(disputes=[foreign])
    assert case.decision() == ("nothing_due", "not_a_pack", 0.0)
    assert case.findings() == []


def test_a_charge_that_names_an_organization_but_no_pack_is_not_ours():
    case = world(disputes=[dispute(stripe_session_id="__pending__", pack_id=None)])
    assert case.decision() == ("nothing_due", "not_a_pack", 0.0)


# ---- whose dispute ----


def test_without_organization_in_the_metadata_the_session_tells_it():
    case = world(clawback(), disputes=[dispute(organization_id=None)])
    assert case.position()["organization_id"] == ORG
    assert case.decision() == ("due", "not_credited", 6000.0)


def test_a_pack_bought_in_the_session_is_ours_before_anything_was_clawed_back():
    case = world(disputes=[dispute("du_1", *LOST, organization_id=None, pack_id=None)])
    assert case.position()["organization_id"] == ORG
    assert case.findings() == [("dispute_clawback_missing", 5000.0)]


def test_the_organization_of_the_metadata_counts_before_that_of_the_session():
    for purchases in ([], [(OTHER_ORG, SESSION)]):
        assert world(purchases=purchases).position()["organization_id"] == ORG


def test_without_any_metadata_a_clawback_in_its_name_tells_it():
    bare = dispute(organization_id=None, stripe_session_id=None, pack_id=None)
    case = world(clawback(), disputes=[bare])
    assert case.position()["organization_id"] == ORG
    assert case.decision() == ("due", "not_credited", 6000.0)


def test_a_pending_session_tells_nothing():
    case = world(
        disputes=[dispute(organization_id=None, stripe_session_id="__pending__")], purchases=[(ORG, "__pending__")]
    )
    assert case.decision() == ("refused", "organization_unknown", 0.0)


def test_a_session_in_two_ledgers_tells_nothing():
    case = world(disputes=[dispute(organization_id=None)], purchases=[(ORG, SESSION), (OTHER_ORG, SESSION)])
    assert case.decision() == ("refused", "organization_unknown", 0.0)


@pytest.mark.parametrize("trace", [clawback(organization=OTHER_ORG), own_credit(organization=OTHER_ORG)])
def test_a_dispute_named_in_another_organizations_ledger_is_for_a_person(trace: dict[str, object]):
    case = world(trace, clawback(days=0.02))
    assert case.decision() == ("parked", "other_organization", 0.0)
    assert ("dispute_parked", -6000.0) in case.findings()


def test_a_clawback_in_another_ledger_only_is_parked_and_not_missing():
    case = world(clawback(organization=OTHER_ORG), disputes=[dispute("du_1", *LOST)])
    assert case.decision() == ("parked", "other_organization", 0.0)
    assert case.findings() == [("dispute_parked", 0.0)]


def test_an_organization_that_does_not_exist_is_refused():
    case = world(clawback(), organizations=())
    assert case.decision() == ("refused", "organization_unknown", 0.0)
    assert case.findings() == [("dispute_credit_due", -6000.0)]


def test_a_subscription_proves_its_organization():
    assert world(clawback(), organizations=(), subscribed=(ORG,)).decision()[0] == "due"


@pytest.mark.parametrize("collection", ["organizations", "subscriptions"])
def test_an_unreadable_document_proves_its_organization(collection: str):
    assert world(clawback(), organizations=(), unreadable=((collection, ORG),)).decision()[0] == "due"


def test_without_balance_document_nothing_is_credited():
    case = world(balances=(OTHER_ORG,))
    assert case.decision() == ("refused", "no_balance_document", 0.0)
    assert case.findings() == [("dispute_reinstated_without_clawback", 0.0)]


# ---- what could not be read ----


@pytest.mark.parametrize("organization", [ORG, None])
def test_an_unreadable_ledger_is_never_credited_and_causes_no_finding(organization: str | None):
    case = world(balances=(OTHER_ORG,), unreadable=(("billingextrabalances", organization),))
    assert case.decision() == ("refused", "unreadable_ledger", 0.0)
    assert case.findings() == []


def test_an_unreadable_ledger_has_no_missing_clawback():
    case = world(disputes=[dispute("du_1", *LOST)], balances=(OTHER_ORG,), unreadable=(("billingextrabalances", ORG),))
    assert case.decision() == ("nothing_due", "not_reinstated", 0.0)
    assert case.findings() == []


def test_a_dispute_of_nobody_may_belong_to_any_unreadable_ledger():
    nobodys = dispute(organization_id=None, stripe_session_id="cs_9")
    case = world(disputes=[nobodys], unreadable=(("billingextrabalances", OTHER_ORG),))
    assert case.decision() == ("refused", "unreadable_ledger", 0.0)
    assert case.findings() == []


def test_the_unreadable_ledger_of_another_organization_changes_nothing():
    for elsewhere in (OTHER_ORG, None):
        case = world(clawback(), unreadable=(("billingextrabalances", elsewhere),))
        assert case.decision()[0] == "due"
        assert case.findings() == world(clawback()).findings() == [("dispute_credit_due", -6000.0)]


def test_an_unreadable_usage_document_is_no_unreadable_ledger():
    assert world(clawback(), unreadable=(("billingusages", ORG),)).decision()[0] == "due"


# ---- parked and refused ----


def test_a_dispute_of_the_other_mode_is_refused():
    case = world(clawback(), disputes=[dispute(livemode=False)])
    assert case.decision() == ("refused", "wrong_mode", 0.0)
    assert case.findings() == [("livemode_mix", 0.0)]


@pytest.mark.parametrize("movements", [WON, LOST, []])
def test_an_unknown_status_is_parked(movements: list[dict[str, object]]):
    case = world(clawback(), disputes=[dispute(status="hibernating", movements=movements)])
    assert case.decision() == ("parked", "unknown_status", 0.0)
    assert [kind for kind, _ in case.findings()] == ["dispute_parked"]


def test_an_unknown_status_is_parked_even_where_the_charge_has_no_pack():
    bare = dispute(organization_id=None, stripe_session_id=None, pack_id=None, status="hibernating")
    assert world(disputes=[bare]).decision() == ("parked", "unknown_status", 0.0)


@pytest.mark.parametrize("credits", [[], [own_credit()], [by_hand(6000)]])
@pytest.mark.parametrize("end", [[], [moved(500, 60)]])
def test_money_withdrawn_twice_is_parked_either_way(credits: list[dict[str, object]], end: list[dict[str, object]]):
    case = world(clawback(), *credits, disputes=[dispute("du_1", *WON, moved(-500, 25), *end)])
    assert pd.isna(case.position()["fraction"])
    assert case.decision() == ("parked", "second_withdrawal", 0.0)
    assert case.findings() == [("dispute_second_withdrawal", 0.0)]


def test_missing_rates_across_currencies_are_parked():
    euros = dispute("du_1", moved(-550), moved(540, 21), currency="eur")
    case = world(clawback(), disputes=[euros])
    assert pd.isna(case.position()["fraction"])
    assert case.decision() == ("parked", "fx_unknown", 0.0)
    assert case.findings() == [("dispute_parked", 0.0)]


def test_missing_rates_do_not_matter_once_all_is_credited():
    euros = dispute("du_1", moved(-550), moved(540, 21), currency="eur")
    case = world(clawback(), by_hand(6000), disputes=[euros])
    assert case.decision() == ("nothing_due", "credited_by_hand", 0.0)
    assert case.findings() == []


def test_more_money_back_than_was_withdrawn_is_parked():
    case = world(clawback(), disputes=[dispute("du_1", *WON, moved(500, 22))])
    assert case.decision() == ("parked", "more_reinstated", 0.0)


def test_money_back_without_a_withdrawal_is_parked():
    case = world(clawback(), disputes=[dispute("du_1", moved(500, 22))])
    assert case.decision() == ("parked", "no_withdrawal", 0.0)


@pytest.mark.parametrize("status", ["warning_closed", "needs_response", "won"])
def test_a_clawback_without_a_withdrawal_is_parked(status: str):
    case = world(clawback(), disputes=[dispute("du_1", status=status, movements=[])])
    assert case.decision() == ("parked", "clawback_without_withdrawal", 0.0)
    assert case.findings() == [("dispute_parked", 0.0)]


# ---- clawbacks ----


def test_a_reinstated_dispute_without_clawback_is_refused():
    case = world()
    assert case.decision() == ("refused", "no_clawback", 0.0)
    assert case.findings() == [("dispute_reinstated_without_clawback", 0.0)]


@pytest.mark.parametrize(
    ("pack", "cents", "units"), [("pack_m", 500, 6000.0), ("pack_m", 250, 3000.0), ("pack_gone", 500, 5000.0)]
)
def test_withdrawn_money_without_clawback_is_missing_at_the_packs_ratio(pack: str, cents: int, units: float):
    case = world(disputes=[dispute("du_1", moved(-cents), status="lost", amount_minor=cents, pack_id=pack)])
    assert case.decision() == ("nothing_due", "lost", 0.0)
    assert case.findings() == [("dispute_clawback_missing", units)]


def test_a_withdrawal_of_the_last_hour_may_still_be_clawed_back():
    for movements in ([moved(-500, at=AS_OF - timedelta(minutes=59))], [moved(-500, at=AS_OF + timedelta(days=1))]):
        assert world(disputes=[dispute(movements=movements)]).findings() == []
    late = [moved(-500, at=AS_OF - timedelta(hours=1))]
    assert [kind for kind, _ in world(disputes=[dispute(movements=late)]).findings()] == ["dispute_clawback_missing"]


def test_the_older_reference_of_a_clawback_counts():
    assert world(entry("dispute_du_1", -6000, 0.01)).decision() == ("due", "not_credited", 6000.0)


def test_a_clawback_of_a_dispute_whose_id_begins_alike_does_not_count():
    assert world(clawback("du_11"), entry("dispute_du_12", -6000, 0.01)).decision() == ("refused", "no_clawback", 0.0)


@pytest.mark.parametrize("wrong", [clawback(kind="adjustment"), clawback(units=-6000.0, kind="refund")])
def test_an_entry_of_the_wrong_kind_or_sign_is_no_clawback(wrong: dict[str, object]):
    assert world(wrong).decision() == ("refused", "no_clawback", 0.0)


def test_of_two_clawbacks_the_first_counts_and_the_second_is_a_finding():
    case = world(entry("dispute_du_1", -5000, 3), clawback())
    assert case.decision() == ("due", "not_credited", 6000.0)
    assert case.findings() == [("dispute_clawed_back_twice", -5000.0), ("dispute_credit_due", -6000.0)]


# ---- credits that should not be ----


@pytest.mark.parametrize(
    "credits",
    [
        [own_credit(), own_credit(days=23)],
        [own_credit(), by_hand(6000)],
        [by_hand(6000), by_hand(6000, request="b")],
        [by_hand(6000), by_hand(6000, days=5, request="b")],
    ],
)
def test_two_full_credits_are_credited_twice(credits: list[dict[str, object]]):
    case = world(clawback(), *credits)
    assert case.position()["credited_units"] == 12000
    assert case.decision()[0] == "nothing_due"
    assert case.findings() == [("dispute_credited_twice", 6000.0)]


@pytest.mark.parametrize("units", [5.0, 500.0, 5000.0])
@pytest.mark.parametrize("credit", [by_hand, lambda units: own_credit(units=units)])
def test_dollars_cents_and_the_general_ratio_are_wrong_units_and_the_rest_is_due(units: float, credit):
    case = world(clawback(), credit(units))
    assert case.position()["credited_units"] == units
    assert case.decision() == ("due", "credited_short", 6000 - units)
    assert case.findings() == [("dispute_credit_wrong_units", units - 6000), ("dispute_credit_due", units - 6000)]


@pytest.mark.parametrize("units", [5.5, 6.0, 550.0, 2.75, 3.0, 275.0, 2750.0])
def test_dollars_with_cents_are_wrong_units_exact_or_rounded_for_all_or_for_what_came_back(units: float):
    half = dispute("du_1", moved(-550), moved(275, 21), amount_minor=550)
    case = world(clawback(units=12000), by_hand(units), disputes=[half])
    assert case.decision() == ("due", "credited_short", 6000 - units)
    assert case.findings() == [("dispute_credit_wrong_units", units - 6000), ("dispute_credit_due", units - 6000)]


def test_the_last_unit_of_a_clawback_is_due_and_may_be_given_by_hand():
    assert world(clawback(units=1)).decision() == ("due", "not_credited", 1.0)
    assert world(clawback(units=1), by_hand(1)).decision() == ("nothing_due", "credited_by_hand", 0.0)
    assert world(clawback(), own_credit(units=5999), by_hand(777)).decision()[1] == "possible_hand_credit"


def test_a_credit_at_the_general_ratio_that_is_too_long_is_wrong_units():
    case = world(clawback(units=4000), by_hand(5000))
    assert case.decision() == ("nothing_due", "credited_by_hand", 0.0)
    assert case.findings() == [("dispute_credit_wrong_units", 1000.0)]


def test_the_whole_clawback_credited_for_a_part_that_came_back_is_too_much():
    case = world(clawback(), by_hand(6000), disputes=[dispute("du_1", moved(-500), moved(250, 21))])
    assert case.findings() == [("dispute_credit_wrong_units", 3000.0)]


def test_the_cents_of_a_part_that_came_back_are_wrong_units():
    case = world(clawback(), by_hand(250), disputes=[dispute("du_1", moved(-500), moved(250, 21))])
    assert case.decision() == ("due", "credited_short", 2750.0)
    assert case.findings()[0] == ("dispute_credit_wrong_units", -2750.0)


@pytest.mark.parametrize("credit", [own_credit(), by_hand(6000), by_hand(500), by_hand(5000)])
@pytest.mark.parametrize("status", ["lost", "under_review"])
def test_a_credit_for_a_dispute_that_is_not_reinstated_is_a_finding(credit: dict[str, object], status: str):
    case = world(clawback(), credit, disputes=[dispute("du_1", *LOST, status=status)])
    assert case.decision()[0] == "nothing_due"
    assert case.findings() == [("dispute_credit_without_reinstatement", credit["amount"])]


def test_a_credit_of_this_system_for_an_inquiry_is_a_finding():
    case = world(own_credit(), disputes=[dispute("du_1", status="warning_closed", movements=[])])
    assert case.findings() == [("dispute_credit_without_reinstatement", 6000.0)]


def test_a_credit_by_hand_that_matches_no_dispute_is_no_business_where_nothing_is_due():
    for units in (1, 777, 12000):
        assert world(clawback(), own_credit(), by_hand(units)).findings() == []
    assert world(clawback(), by_hand(777), disputes=[dispute("du_1", *LOST)]).findings() == []
    assert world(by_hand(6000, organization=OTHER_ORG), clawback(), own_credit()).findings() == []


def test_a_credit_by_hand_that_matches_nothing_may_have_been_meant_for_what_is_due():
    for days in (22, 0):  # the withdrawal itself is day 0
        case = world(clawback(), by_hand(5500, days=days))
        assert case.decision() == ("parked", "possible_hand_credit", 0.0)
        assert case.findings() == [("dispute_parked", -6000.0)]


def test_a_credit_by_hand_before_the_withdrawal_was_not_meant_for_it():
    assert world(clawback(), by_hand(5500, days=-1)).decision() == ("due", "not_credited", 6000.0)
    assert world(clawback(), by_hand(6000, days=-1)).decision() == ("due", "not_credited", 6000.0)


def test_a_credit_by_hand_in_another_ledger_was_not_meant_for_it():
    assert world(clawback(), by_hand(6000, organization=OTHER_ORG)).decision() == ("due", "not_credited", 6000.0)


def test_one_credit_for_two_equal_disputes_parks_both():
    two = [dispute(), dispute("du_2")]
    case = world(clawback(), clawback("du_2"), by_hand(6000), disputes=two)
    assert case.decision("du_1") == case.decision("du_2") == ("parked", "possible_hand_credit", 0.0)


def test_a_lost_dispute_of_the_same_amount_does_not_take_the_credit():
    two = [dispute(), dispute("du_2", *LOST, status="lost")]
    case = world(clawback(), clawback("du_2"), by_hand(6000), disputes=two)
    assert case.decision("du_1") == ("nothing_due", "credited_by_hand", 0.0)
    assert case.findings() == []


def test_a_dispute_of_the_other_mode_does_not_take_the_credit():
    two = [dispute(), dispute("du_2", livemode=False)]
    case = world(clawback(), clawback("du_2"), by_hand(6000), disputes=two)
    assert case.decision("du_1") == ("nothing_due", "credited_by_hand", 0.0)


def test_a_credit_for_a_dispute_that_was_not_read_is_no_finding():
    case = world(clawback("du_9"), own_credit("du_9"), disputes=[])
    assert case.findings() == []


def test_more_credits_by_hand_than_can_be_told_apart_park_what_is_due():
    for units in (100, 1):
        many = [by_hand(units, request=str(n)) for n in range(11)]
        assert world(clawback(units=units), *many).decision() == ("parked", "possible_hand_credit", 0.0)


# ---- what a reader is told ----

MONEY = "withdrawn 500, reinstated 500 (minor units of usd)"
LOSS = "withdrawn 500, reinstated 0 (minor units of usd)"


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (
            world(clawback()),
            [("dispute_credit_due", -6000.0, f"{MONEY}: 6,000 of 6,000 units clawed back are still to be credited")],
        ),
        (
            world(clawback(), balances=()),
            [
                (
                    "dispute_credit_due",
                    -6000.0,
                    f"{MONEY}: 6,000 of 6,000 units clawed back are still to be credited, "
                    "which cannot be done (no_balance_document)",
                )
            ],
        ),
        (
            world(clawback(), disputes=[dispute(livemode=False)]),
            [("livemode_mix", 0.0, "dispute of test mode, which is not the key's")],
        ),
        (
            world(clawback(), livemode=False),
            [("livemode_mix", 0.0, "dispute of live mode, which is not the key's")],
        ),
        (
            world(clawback(), own_credit(), disputes=[dispute("du_1", *WON, moved(-500, 25))]),
            [
                (
                    "dispute_second_withdrawal",
                    0.0,
                    "money was withdrawn twice: withdrawn 1000, reinstated 500 (minor units of usd); "
                    "6,000 units are credited",
                )
            ],
        ),
        (
            world(clawback(), clawback(days=2, units=1500), own_credit()),
            [("dispute_clawed_back_twice", -1500.0, "clawed back 6,000 units, and again 1,500")],
        ),
        (
            world(),
            [
                (
                    "dispute_reinstated_without_clawback",
                    0.0,
                    f"{MONEY}, but no units were clawed back: nothing is credited",
                )
            ],
        ),
        (
            world(disputes=[dispute("du_1", *LOST)]),
            [("dispute_clawback_missing", 6000.0, f"{LOSS}, but the 6,000 units were not clawed back")],
        ),
        (
            world(clawback(), by_hand(6000), disputes=[dispute("du_1", *LOST, status="lost")]),
            [
                (
                    "dispute_credit_without_reinstatement",
                    6000.0,
                    "6,000 units were credited, but no money came back (lost)",
                )
            ],
        ),
        (
            world(clawback(), own_credit(), by_hand(6000)),
            [
                (
                    "dispute_credited_twice",
                    6000.0,
                    "12,000 units credited of 6,000 owed, by more than one credit",
                )
            ],
        ),
        (
            world(clawback(units=4000), by_hand(5000)),
            [
                (
                    "dispute_credit_wrong_units",
                    1000.0,
                    "5,000 units credited of 4,000 owed: not the units clawed back",
                )
            ],
        ),
        (
            world(clawback(), by_hand(500)),
            [
                (
                    "dispute_credit_wrong_units",
                    -5500.0,
                    "500 units credited of 6,000 owed: dollars, cents or the general ratio instead of the units "
                    "clawed back",
                ),
                ("dispute_credit_due", -5500.0, f"{MONEY}: 5,500 of 6,000 units clawed back are still to be credited"),
            ],
        ),
        (
            world(clawback(), own_credit(units=2500), by_hand(777)),
            [
                (
                    "dispute_parked",
                    -3500.0,
                    f"parked for a person (possible_hand_credit): {MONEY}, 6,000 units clawed back, 2,500 credited",
                )
            ],
        ),
    ],
)
def test_a_finding_names_its_organization_and_dispute_and_tells_the_numbers(
    case: World, expected: list[tuple[str, float, str]]
):
    rows = case.judged().findings.to_dict("list")
    assert list(zip(rows["kind"], rows["units"], rows["explanation"], strict=True)) == expected
    assert rows["organization_id"] == [ORG] * len(expected)
    assert rows["subject"] == ["du_1"] * len(expected)
    assert pd.isna(pd.Series(rows["cause"])).all()


def test_a_parked_dispute_of_nobody_is_told_too():
    bare = dispute("du_1", *LOST, organization_id=None, stripe_session_id=None, pack_id=None, status="hibernating")
    (row,) = world(disputes=[bare]).judged().findings.to_dict("records")
    assert (row["kind"], row["subject"]) == ("dispute_parked", "du_1")
    assert row["explanation"] == f"parked for a person (unknown_status): {LOSS}, 0 units clawed back, 0 credited"
    assert pd.isna(row["organization_id"])


def test_money_withdrawn_twice_says_nothing_about_its_clawback():
    case = world(disputes=[dispute("du_1", *WON, moved(-500, 25))])
    assert case.findings() == [("dispute_second_withdrawal", 0.0)]
