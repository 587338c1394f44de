import pytest

from billing_dq.reconcile.findings.severity import of_drift, of_violation, of_week


@pytest.mark.parametrize("state", ["open", "settling"])
def test_nothing_about_an_open_or_settling_week_is_above_warning(state: str):
    assert of_violation("settlement_half_applied", state, False, False) == "warning"
    assert of_week("unexplained", True, state) == "warning"


def test_a_broken_rule_of_a_closed_week_or_of_none_is_an_error():
    assert of_violation("settlement_half_applied", "closed", False, False) == "error"
    assert of_violation("duplicate_ref", None, False, False) == "error"


def test_a_zero_amount_is_a_warning_and_a_document_pages_once_it_is_full():
    assert of_violation("zero_amount", None, False, False) == "warning"
    assert of_violation("document_size", None, False, False) == "warning"
    assert of_violation("document_size", None, True, False) == "critical"
    assert of_violation("duplicate_ref", None, True, False) == "error"


def test_what_was_made_good_and_what_old_versions_left_is_info():
    assert of_violation("duplicate_ref", None, False, True) == "info"
    assert of_violation("settlement_half_applied", "open", False, True) == "info"
    assert of_violation("expiry_in_full", None, False, False) == "info"


def test_an_unexplained_closed_week_is_an_error_where_it_diverges_and_a_warning_where_its_breaks_cancel_out():
    assert of_week("unexplained", True, "closed") == "error"
    assert of_week("unexplained", False, "closed") == "warning"
    for grade in ("explained", "within_tolerance", "exact"):
        assert of_week(grade, True, "closed") == "info"


def test_drift_by_design_is_a_warning():
    assert of_drift("subscription_plan", True) == "warning"
    assert of_drift("subscription_plan", False) == "error"
