import pandas as pd
import pytest

from billing_dq.reconcile.findings.finding import Finding, number, records, text, text_or_none


def test_a_row_is_read_by_the_names_of_its_columns():
    (row,) = records(pd.DataFrame({"subject": ["e1"], "units": [3], "cause": [None]}))
    assert (text(row, "subject"), number(row, "units"), text_or_none(row, "cause")) == ("e1", 3.0, None)


def test_what_is_no_text_or_no_number_is_refused_by_the_name_of_its_column():
    with pytest.raises(TypeError, match="cause is None, not a text"):
        text({"cause": None}, "cause")
    with pytest.raises(TypeError, match="units is 'many', not a number"):
        number({"units": "many"}, "units")


def finding_id(kind: str, organization_id: str | None, subject: str, aspect: str = "") -> str:
    return Finding(kind, organization_id, subject, "error", 1.0, None, "because", aspect).finding_id


def test_an_id_stays_what_it_is_from_release_to_release_or_all_findings_would_be_new():
    assert finding_id("meter_extras_divergence", "a" * 24, "2026-W45") == "547140ee51bf0532"
    assert finding_id("ledger_violation", "a" * 24, "e1", "sign") == "232a320b8c867a31"
    assert finding_id("dispute_credit_due", "a" * 24, "du_1") == "de08e5cfbbc30e95"


@pytest.mark.parametrize("kind", ["meter_extras_divergence", "ledger_violation"])
def test_a_week_or_an_entry_means_something_within_its_organization_only(kind: str):
    assert finding_id(kind, "a", "e1") != finding_id(kind, "b", "e1")


def test_whose_anything_else_is_may_become_known_later():
    assert finding_id("orphan_balance", None, "e1") == finding_id("orphan_balance", "b", "e1")


def test_kind_subject_and_aspect_tell_findings_apart():
    ids = {
        finding_id(kind, "a", subject, aspect)
        for kind in ("ledger_violation", "quarantined_documents")
        for subject in ("e1", "e2")
        for aspect in ("sign", "duplicate_ref")
    }
    assert len(ids) == 8
