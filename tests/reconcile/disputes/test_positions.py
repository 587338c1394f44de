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
    columns = ["kind", "organization_id", "subject", "units", "cause", "explanation", "broken_since"]
    assert list(result.findings.columns) == columns
    assert list(world(own_credit(), clawback()).judged().findings.columns) == columns


def test_a_night_without_disputes_has_no_positions_and_no_findings():
    result = world(by_hand(6000), disputes=[]).judged()
    assert result.positions.empty
    assert result.findings.empty


def test_a_dispute_credited_by_this_system_is_done():
    assert world(clawback(), own_credit()).outcome() == ("nothing_due", "credited", 0.0, [])


def test_a_dispute_credited_by_hand_is_done():
    assert world(clawback(), by_hand(6000)).outcome() == ("nothing_due", "credited_by_hand", 0.0, [])


def test_several_credits_by_hand_that_add_up_are_done():
    case = world(clawback(), by_hand(1500), by_hand(4500, request="b"))
    assert case.outcome() == ("nothing_due", "credited_by_hand", 0.0, [])


def test_a_credit_by_hand_and_one_of_this_system_that_add_up_are_done():
    for units in (5000, 3500):  # the general ratio, and what was still owed
        case = world(clawback(), by_hand(units), own_credit(units=6000 - units, days=24))
        assert case.position()["credited_units"] == 6000
        assert case.outcome() == ("nothing_due", "credited_by_hand", 0.0, [])


def test_a_gift_beside_credits_that_add_up_parks_nothing():
    case = world(clawback(), by_hand(3500), own_credit(units=2500, days=24), by_hand(777, request="b"))
    assert case.outcome() == ("nothing_due", "credited_by_hand", 0.0, [])


def test_a_part_that_came_back_is_credited_in_proportion():
    case = world(clawback(), disputes=[dispute("du_1", moved(-500), moved(200, 21))])
    assert case.position()["fraction"] == pytest.approx(0.4)
    assert case.decision() == ("due", "not_credited", 2400.0)


def test_the_rest_of_a_part_that_was_credited_is_due_when_it_comes_back():
    later = dispute("du_1", moved(-500), moved(200, 21), moved(300, 24))
    case = world(clawback(), own_credit(units=2400), disputes=[later])
    assert case.outcome() == ("due", "credited_short", 3600.0, [("dispute_credit_due", -3600.0)])


def test_a_share_is_rounded_half_up_and_never_above_the_clawback():
    half = dispute("du_1", moved(-500), moved(250, 21))
    assert world(clawback(units=5), disputes=[half]).decision() == ("due", "not_credited", 3.0)
    assert world(clawback(units=2.75)).decision() == ("due", "not_credited", 2.0)  # half units are never given


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
    assert case.outcome() == ("nothing_due", reason, 0.0, [])


@pytest.mark.parametrize("status", [*OPEN_STATUSES, *INQUIRIES[:2]])
def test_nothing_is_due_while_stripe_has_not_decided_whatever_moved(status: str):
    case = world(clawback(), disputes=[dispute(status=status)])
    assert case.outcome() == ("nothing_due", "open" if status in OPEN_STATUSES else "inquiry", 0.0, [])


@pytest.mark.parametrize("status", ["lost", "prevented", "warning_closed"])
def test_money_back_contradicts_a_dispute_that_was_not_won(status: str):
    case = world(clawback(), disputes=[dispute(status=status)])
    assert case.outcome() == ("parked", "status_contradicts_money", 0.0, [("dispute_parked", -6000.0)])


def test_a_contradiction_is_settled_where_a_person_gave_the_units_back():
    case = world(clawback(), by_hand(6000), disputes=[dispute(status="lost")])
    assert case.outcome() == ("nothing_due", "credited_by_hand", 0.0, [])


@pytest.mark.parametrize("credits", [[own_credit()], [by_hand(6000)], [by_hand(500)]])
def test_a_credit_given_before_an_appeal_is_no_finding_while_the_money_is_here(credits: list[dict[str, object]]):
    case = world(clawback(), *credits, disputes=[dispute(status="appeal_under_review")])
    assert case.outcome() == ("nothing_due", "open", 0.0, [])


def test_a_credit_by_hand_may_have_been_for_the_dispute_that_an_appeal_reopened():
    two = [dispute(), dispute("du_2", status="appeal_under_review")]
    case = world(clawback(), clawback("du_2"), by_hand(6000), disputes=two)
    assert case.decision("du_1") == ("parked", "possible_hand_credit", 0.0)


def test_a_conversion_gain_is_no_reinstatement_and_does_not_change_the_share():
    gain = moved(12, 0.001) | {"reporting_category": "dispute"}
    case = world(clawback(), disputes=[dispute("du_1", moved(-500), gain, status="under_review")])
    assert case.outcome() == ("nothing_due", "open", 0.0, [])
    case = world(clawback(), disputes=[dispute("du_1", moved(-500), gain)])
    assert case.decision() == ("nothing_due", "not_reinstated", 0.0)
    case = world(clawback(), disputes=[dispute("du_1", moved(-500), gain, moved(500, 21))])
    assert case.decision() == ("due", "not_credited", 6000.0)


def test_a_conversion_loss_is_no_second_withdrawal():
    case = world(clawback(), disputes=[dispute("du_1", moved(-500), moved(-13, 0.001), status="lost")])
    assert case.outcome() == ("nothing_due", "lost", 0.0, [])


def test_a_reversal_as_small_as_a_conversion_is_for_a_person():
    case = world(clawback(), disputes=[dispute("du_1", moved(-500), moved(25, 21))])
    assert case.outcome() == ("parked", "small_reinstatement", 0.0, [("dispute_parked", -300.0)])
    case = world(clawback(), disputes=[dispute("du_1", moved(-500), moved(26, 21))])
    assert case.decision() == ("due", "not_credited", 312.0)


@pytest.mark.parametrize("status", INQUIRIES)
def test_an_inquiry_moves_no_money(status: str):
    case = world(disputes=[dispute("du_1", status=status, movements=[])])
    assert case.outcome() == ("nothing_due", "inquiry", 0.0, [])


def test_a_prevented_dispute_has_nothing_due():
    case = world(disputes=[dispute("du_1", status="prevented", movements=[])])
    assert case.outcome() == ("nothing_due", "prevented", 0.0, [])


def test_the_dispute_of_a_subscription_payment_is_not_ours():
    foreign = dispute(organization_id=None, stripe_session_id=None, pack_id=None, amount_minor=9900)
    assert world(disputes=[foreign]).outcome() == ("nothing_due", "not_a_pack", 0.0, [])


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
    assert case.outcome() == ("parked", "other_organization", 0.0, [("dispute_parked", 0.0)])


def test_an_organization_that_does_not_exist_is_refused():
    case = world(clawback(), organizations=())
    assert case.outcome() == ("refused", "organization_unknown", 0.0, [("dispute_credit_due", -6000.0)])


def test_a_subscription_proves_its_organization():
    assert world(clawback(), organizations=(), subscribed=(ORG,)).decision()[0] == "due"


@pytest.mark.parametrize("collection", ["organizations", "subscriptions"])
def test_an_unreadable_document_proves_its_organization(collection: str):
    assert world(clawback(), organizations=(), unreadable=((collection, ORG),)).decision()[0] == "due"


def test_without_balance_document_nothing_is_credited():
    case = world(balances=(OTHER_ORG,))
    assert case.outcome() == ("refused", "no_balance_document", 0.0, [("dispute_reinstated_without_clawback", 0.0)])


# ---- what could not be read ----


@pytest.mark.parametrize("organization", [ORG, None])
def test_an_unreadable_ledger_is_never_credited_and_causes_no_finding(organization: str | None):
    case = world(balances=(OTHER_ORG,), unreadable=(("billingextrabalances", organization),))
    assert case.outcome() == ("refused", "unreadable_ledger", 0.0, [])


def test_an_unreadable_ledger_has_no_missing_clawback():
    case = world(disputes=[dispute("du_1", *LOST)], balances=(OTHER_ORG,), unreadable=(("billingextrabalances", ORG),))
    assert case.outcome() == ("nothing_due", "not_reinstated", 0.0, [])


def test_a_dispute_of_nobody_may_belong_to_any_unreadable_ledger():
    nobodys = dispute(organization_id=None, stripe_session_id="cs_9")
    case = world(disputes=[nobodys], unreadable=(("billingextrabalances", OTHER_ORG),))
    assert case.outcome() == ("refused", "unreadable_ledger", 0.0, [])


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
    assert case.outcome() == ("refused", "wrong_mode", 0.0, [("livemode_mix", 0.0)])


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
    assert case.outcome() == ("parked", "second_withdrawal", 0.0, [("dispute_second_withdrawal", 0.0)])


def test_missing_rates_across_currencies_are_parked():
    euros = dispute("du_1", moved(-550), moved(540, 21), currency="eur")
    case = world(clawback(), disputes=[euros])
    assert pd.isna(case.position()["fraction"])
    assert case.outcome() == ("parked", "fx_unknown", 0.0, [("dispute_parked", 0.0)])


def test_missing_rates_do_not_matter_once_all_is_credited():
    euros = dispute("du_1", moved(-550), moved(540, 21), currency="eur")
    assert world(clawback(), by_hand(6000), disputes=[euros]).outcome() == ("nothing_due", "credited_by_hand", 0.0, [])


def test_more_money_back_than_was_withdrawn_is_parked():
    case = world(clawback(), disputes=[dispute("du_1", *WON, moved(500, 22))])
    assert case.decision() == ("parked", "more_reinstated", 0.0)


def test_money_back_without_a_withdrawal_is_parked():
    assert world(clawback(), disputes=[dispute("du_1", moved(500, 22))]).decision() == ("parked", "no_withdrawal", 0.0)


@pytest.mark.parametrize("status", ["warning_closed", "needs_response", "won"])
def test_a_clawback_without_a_withdrawal_is_parked(status: str):
    case = world(clawback(), disputes=[dispute("du_1", status=status, movements=[])])
    assert case.outcome() == ("parked", "clawback_without_withdrawal", 0.0, [("dispute_parked", 0.0)])


# ---- clawbacks ----


def test_a_reinstated_dispute_without_clawback_is_refused():
    assert world().outcome() == ("refused", "no_clawback", 0.0, [("dispute_reinstated_without_clawback", 0.0)])


@pytest.mark.parametrize(
    ("pack", "cents", "units"), [("pack_m", 500, 6000.0), ("pack_m", 250, 3000.0), ("pack_gone", 500, 5000.0)]
)
def test_withdrawn_money_without_clawback_is_missing_at_the_packs_ratio(pack: str, cents: int, units: float):
    case = world(disputes=[dispute("du_1", moved(-cents), status="lost", amount_minor=cents, pack_id=pack)])
    assert case.outcome() == ("nothing_due", "lost", 0.0, [("dispute_clawback_missing", units)])


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
        [own_credit(), entry("goodwill for du_1", 6000, 23)],
        [own_credit(), entry("Dispute_Reinstate_DU_1", 6000, 23)],
        [by_hand(6000), entry("correction-du_1", 6000, 23)],
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
    half = dispute("du_1", moved(-550), moved(275, 21), amount_minor=550, pack_id=None)
    case = world(clawback(), by_hand(units), disputes=[half])
    due = float((3000 - units) // 1)  # half units are never given
    assert case.decision() == (("due", "credited_short", due) if due else ("nothing_due", "credited_by_hand", 0.0))
    assert case.findings()[0] == ("dispute_credit_wrong_units", units - 3000)


def test_the_last_unit_of_a_clawback_is_due_and_may_be_given_by_hand():
    assert world(clawback(units=1)).decision() == ("due", "not_credited", 1.0)
    assert world(clawback(units=1), by_hand(1)).decision() == ("nothing_due", "credited_by_hand", 0.0)
    assert world(clawback(), own_credit(units=5999), by_hand(777)).decision() == ("due", "credited_short", 1.0)


def test_a_credit_at_the_general_ratio_that_is_too_long_is_wrong_units():
    case = world(clawback(units=4000), by_hand(5000))
    assert case.outcome() == ("nothing_due", "credited_by_hand", 0.0, [("dispute_credit_wrong_units", 1000.0)])


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


def test_so_few_units_as_the_dollars_of_a_dispute_are_no_credit_of_it_before_money_came_back():
    """They correct something else, such as a copied debit; after a reinstatement they are the known mistake."""
    lost = world(clawback(), by_hand(5), disputes=[dispute("du_1", *LOST, status="under_review")])
    assert lost.findings() == []
    assert world(clawback(), by_hand(5)).findings()[0] == ("dispute_credit_wrong_units", -5995.0)


def test_a_credit_of_this_system_for_an_inquiry_is_a_finding():
    case = world(own_credit(), disputes=[dispute("du_1", status="warning_closed", movements=[])])
    assert case.findings() == [("dispute_credit_without_reinstatement", 6000.0)]


def test_a_credit_by_hand_that_matches_no_dispute_is_no_business_where_nothing_is_due():
    for units in (1, 777, 12000):
        assert world(clawback(), own_credit(), by_hand(units)).findings() == []
    assert world(clawback(), by_hand(777), disputes=[dispute("du_1", *LOST)]).findings() == []
    assert world(by_hand(6000, organization=OTHER_ORG), clawback(), own_credit()).findings() == []


@pytest.mark.parametrize("units", [1, 100, 599, 12001, 59998])
def test_a_credit_by_hand_that_is_near_nothing_does_not_hold_back_what_is_due(units: float):
    case = world(clawback(), by_hand(units))
    assert case.outcome() == ("due", "not_credited", 6000.0, [("dispute_credit_due", -6000.0)])


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
    assert world(clawback("du_9"), own_credit("du_9"), disputes=[]).findings() == []


def test_any_number_of_disputes_credited_by_hand_is_done():
    names = [f"du_{n:02}" for n in range(60)]
    entries = [entry for n, name in enumerate(names) for entry in (clawback(name), by_hand(6000, request=str(n)))]
    case = world(*entries, by_hand(100, request="gift"), disputes=[dispute(name) for name in names])
    assert {case.decision(name) for name in (names[0], names[59])} == {("nothing_due", "credited_by_hand", 0.0)}
    assert case.findings() == []


def test_credits_that_take_too_long_to_tell_apart_park_what_is_due():
    sizes = [301.0 + 17 * n * n for n in range(24)]
    pack = dispute(amount_minor=1000, movements=[moved(-1000), moved(1000, 21)])
    names = [f"du_{n}" for n in range(6)]
    entries = [clawback(name, units=8000 + n) for n, name in enumerate(names)]
    entries += [by_hand(units, request=str(units)) for units in sizes]
    case = world(*entries, disputes=[pack | {"dispute_id": name} for name in names], purchases=[])
    assert case.decision("du_3") == ("parked", "too_many_hand_credits", 0.0)


# ---- corrections ----


@pytest.mark.parametrize("kind", ["refund", "adjustment"])
def test_a_surplus_that_a_person_took_back_resolves_the_second_credit(kind: str):
    correction = entry("correction-du_1", -6000, 25, kind=kind)
    case = world(clawback(), own_credit(), by_hand(6000), correction)
    assert case.position()["credited_units"] == 6000
    assert case.outcome() == ("nothing_due", "credited_by_hand", 0.0, [])


def test_a_correction_tells_whose_surplus_a_credit_of_the_same_size_was():
    entries = [clawback(name) for name in ("du_1", "du_2")]
    entries += [own_credit(), by_hand(6000, days=22), by_hand(6000, days=24, request="b")]
    both = [dispute(name, *WON) for name in ("du_1", "du_2")]
    case = world(*entries, entry("correction-du_1", -6000, 25), disputes=both)
    assert case.findings() == []
    assert case.decision("du_2") == ("nothing_due", "credited_by_hand", 0.0)


def test_what_a_correction_leaves_of_a_surplus_is_still_a_finding():
    case = world(clawback(), own_credit(), by_hand(6000), entry("correction-du_1", -2000, 25))
    assert case.findings() == [("dispute_credited_twice", 4000.0)]


def test_a_credit_of_a_lost_dispute_that_was_taken_back_is_settled():
    lost = [dispute("du_1", *LOST, status="lost")]
    assert world(clawback(), by_hand(6000), entry("correction-du_1", -6000, 25), disputes=lost).findings() == []


def test_a_correction_never_makes_a_credit_due_again():
    case = world(clawback(), by_hand(6000), entry("correction-du_1", -6000, 25))
    assert case.outcome() == ("nothing_due", "credited_by_hand", 0.0, [("dispute_clawed_back_twice", -6000.0)])


def test_a_correction_of_another_dispute_or_ledger_changes_nothing():
    for other in (entry("correction-du_2", -6000, 25), entry("correction-du_1", -6000, 25, OTHER_ORG)):
        assert world(clawback(), own_credit(), by_hand(6000), other).findings() == [("dispute_credited_twice", 6000.0)]


def test_a_missing_clawback_that_a_person_made_up_for_is_settled_and_credited_by_a_person():
    correction = entry("correction-du_1", -6000, 1)
    assert world(correction, disputes=[dispute("du_1", *LOST, status="lost")]).findings() == []
    part = world(entry("correction-du_1", -5000, 1), disputes=[dispute("du_1", *LOST, status="lost")])
    assert part.findings() == [("dispute_clawback_missing", 1000.0)]
    won = world(correction)
    assert won.decision() == ("parked", "clawed_back_by_hand", 0.0)
    assert won.findings() == [("dispute_parked", 0.0)]


# ---- what a clawback should have been ----


def part_of(amount: int, paid: int | None, currency: str = "usd", pack: str | None = "pack_m") -> dict[str, object]:
    movements = [moved(-amount, currency=currency)]
    fields = {"status": "lost", "amount_minor": amount, "charge_amount_minor": paid, "currency": currency}
    return dispute("du_1", movements=movements, pack_id=pack, **fields)


@pytest.mark.parametrize(
    ("one", "units"),
    [
        (part_of(300, 300, "jpy"), 6000.0),
        (part_of(600, 600), 6000.0),
        (part_of(150, 600), 1500.0),
        (part_of(700, 600), 6000.0),
        (part_of(600, None), 6000.0),
        (part_of(250, None), 3000.0),
        (part_of(250, 500, pack=None), 3000.0),
        (part_of(250, None, pack=None), 2500.0),
        (part_of(9900, None, pack=None), 6000.0),
        (part_of(300, None, "jpy"), 0.0),
    ],
)
def test_a_missing_clawback_is_the_disputed_part_of_what_was_paid(one: dict[str, object], units: float):
    assert world(disputes=[one]).findings() == [("dispute_clawback_missing", units)]


def test_a_missing_clawback_of_an_unknown_size_says_so():
    frame = world(disputes=[part_of(300, None, "jpy")]).judged().findings
    assert frame["explanation"].tolist() == [
        "withdrawn 300, reinstated 0 (minor units of jpy), but no units were clawed back; how many these are "
        "is not known"
    ]


@pytest.mark.parametrize(
    ("one", "taken", "wrong"),
    [
        (part_of(500, 500), 6000, 0.0),
        (part_of(250, 500), 6000, -3000.0),  # all for a part
        (part_of(500, 500), 500, 5500.0),  # cents for units
        (part_of(500, 500), 6001, -1.0),  # more than the pack gave
        (part_of(600, 600), 7200, -1200.0),  # the price with tax
        (part_of(900, 900, "jpy"), 9000, -3000.0),  # another currency's number
        (part_of(250, None), 3000, 0.0),
        (part_of(250, None), 6000, -3000.0),
        (part_of(250, None, "jpy"), 777, 0.0),  # nothing to compare with
        (part_of(1, 4000), 2, 0.0),  # 1.5: a half, rounded up
        (part_of(1, 4000), 1, 0.0),  # and down, as newer versions do
        (part_of(1, 4000), 3, -1.0),
    ],
)
def test_a_clawback_of_another_amount_is_a_finding(one: dict[str, object], taken: float, wrong: float):
    found = world(clawback(units=taken), disputes=[one]).findings()
    assert found == ([("dispute_clawback_wrong_units", wrong)] if wrong else [])


def test_a_wrong_clawback_needs_a_known_pack():
    one = part_of(250, 500, pack=None)
    assert world(clawback(units=777), disputes=[one], purchases=[]).findings() == []


def test_a_wrong_clawback_is_settled_by_a_credit_by_hand_or_by_a_correction():
    too_much = world(clawback(), by_hand(3000), disputes=[part_of(250, 500)])
    assert too_much.position()["credited_units"] == 0
    assert too_much.findings() == []
    too_little = world(clawback(units=500), entry("correction-du_1", -5500, 3), disputes=[part_of(500, 500)])
    assert too_little.findings() == []


def test_a_wrong_clawback_is_given_back_with_the_money():
    assert world(clawback(units=500), own_credit(units=500)).findings() == []
    half = dispute("du_1", moved(-500), moved(250, 21), charge_amount_minor=500)
    case = world(clawback(units=500), own_credit(units=250), disputes=[half])
    assert case.findings() == [("dispute_clawback_wrong_units", 2750.0)]


@pytest.mark.parametrize("movements", [WON, LOST])
def test_a_second_clawback_that_was_credited_back_is_settled(movements: list[dict[str, object]]):
    own = [own_credit()] if movements is WON else []
    status = "won" if own else "lost"
    again = entry("dispute_du_1", -6000, 3)
    case = world(clawback(), again, *own, by_hand(6000), disputes=[dispute("du_1", *movements, status=status)])
    assert case.findings() == []
    assert case.decision()[0] == "nothing_due"


def test_a_second_clawback_credited_back_leaves_the_reinstatement_due():
    case = world(clawback(), entry("dispute_du_1", -6000, 3), by_hand(6000, days=5))
    assert case.decision() == ("due", "not_credited", 6000.0)
    assert case.position()["credited_units"] == 0
    assert case.findings() == [("dispute_credit_due", -6000.0)]


def test_a_part_of_a_second_clawback_is_still_owed():
    lost = [dispute("du_1", *LOST, status="lost")]
    case = world(clawback(), entry("dispute_du_1", -5000, 3), by_hand(5000), by_hand(777, request="b"), disputes=lost)
    assert case.findings() == []
    frame = world(clawback(), entry("dispute_du_1", -6000, 3), by_hand(5000), disputes=lost).judged().findings
    assert frame["units"].tolist() == [-1000.0]
    assert frame["explanation"].tolist() == ["clawed back 6,000 units, and again 6,000: 1,000 are owed to the customer"]


TOPUP = "6ad8a43ef9c10e4a444e7a3d"


@pytest.mark.parametrize(
    ("expired", "taken", "units"),
    [(6000, 6000, -6000.0), (2000, 6000, -2000.0), (2000, 4000, 0.0), (6000, 1500, -1500.0)],
)
def test_a_clawback_of_what_had_expired_falls_on_what_nobody_disputed(expired: float, taken: float, units: float):
    gone = entry(f"expire-{TOPUP}", -expired, -1, kind="expiration")
    one = part_of(int(taken), 6000)
    case = world(gone, clawback(units=taken), disputes=[one])
    assert case.findings() == ([("dispute_clawback_of_expired_pack", units)] if units else [])
    credit = by_hand(-units) if units else by_hand(1)
    assert world(gone, clawback(units=taken), credit, disputes=[one]).findings() == []


def test_a_clawback_of_what_had_expired_is_no_matter_once_the_money_is_back():
    gone = entry(f"expire-{TOPUP}", -6000, -1, kind="expiration")
    assert world(gone, clawback(), own_credit()).findings() == []


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
            world(clawback(), own_credit(units=2500), disputes=[dispute(status="lost")]),
            [
                (
                    "dispute_parked",
                    -3500.0,
                    f"parked for a person (status_contradicts_money): {MONEY}, 6,000 units clawed back, 2,500 credited",
                )
            ],
        ),
        (
            world(clawback(), disputes=[dispute("du_1", *LOST, amount_minor=250)]),
            [
                (
                    "dispute_clawback_wrong_units",
                    -3000.0,
                    "clawed back 6,000 units of 3,000: the disputed part of the pack's 6,000",
                )
            ],
        ),
        (
            world(
                entry("expire-6ad8a43ef9c10e4a444e7a3d", -4000, -1, kind="expiration"),
                clawback(),
                disputes=[dispute("du_1", *LOST)],
            ),
            [
                (
                    "dispute_clawback_of_expired_pack",
                    -4000.0,
                    "clawed back 6,000 units of a pack of which 4,000 of 6,000 had expired: 4,000 were taken from what "
                    "nobody disputed",
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
    assert world(disputes=[dispute("du_1", *WON, moved(-500, 25))]).findings() == [("dispute_second_withdrawal", 0.0)]
