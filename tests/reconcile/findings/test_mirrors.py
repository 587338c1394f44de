"""Keys of one organization that are exactly another's references: one move, and no debt."""

import pandas as pd

from billing_dq.reconcile.findings.mirrors import mirrored_weeks
from billing_dq.tables import METER_EXTRAS_EVIDENCE
from tests.support.finding_rows import deltas, week
from tests.support.ledger_rows import ORG, OTHER

HERE, THERE = (ORG, "2026-W45"), (OTHER, "2026-W45")


def sides(undebited: float, debited: float) -> pd.DataFrame:
    return deltas(
        week("unexplained", delta_units=undebited),
        week("unexplained", delta_units=-debited, organization_id=OTHER),
    )


def evidence(*items: tuple[str, str, str | None, float]) -> pd.DataFrame:
    """Organization, cause, reference and units."""
    return METER_EXTRAS_EVIDENCE.from_rows(
        {
            "organization_id": organization,
            "week_key": "2026-W45",
            "cause": cause,
            "rule": "rule",
            "confidence": "proved",
            "ref_id": ref,
            "entry_id": None,
            "units": units,
        }
        for organization, cause, ref, units in items
    )


MOVED = evidence(
    (ORG, "no_balance_document", None, 1200.0),
    *((ORG, "no_balance_document", ref, 0.0) for ref in ("a:initial", "b:initial", "c:initial")),
    (OTHER, "no_usage_document", "b:initial", -1000.0),
    (OTHER, "no_usage_document", "c:initial", -200.0),
)


def test_keys_that_are_exactly_anothers_references_are_told_once_and_name_both() -> None:
    mirrors = mirrored_weeks(sides(1200.0, 1200.0), MOVED)
    assert mirrors.others == {THERE}
    assert set(mirrors.sentences) == {HERE}
    assert OTHER in mirrors.sentences[HERE]
    assert "1,200 units" in mirrors.sentences[HERE]


def test_a_part_of_a_debt_is_no_mirror_of_it() -> None:
    for undebited, debited in ((1300.0, 1200.0), (1200.0, 1300.0)):
        assert mirrored_weeks(sides(undebited, debited), MOVED).sentences == {}


def test_two_debts_of_one_size_with_other_keys_are_two_debts() -> None:
    others = MOVED.assign(ref_id=MOVED["ref_id"].where(MOVED["organization_id"] == ORG, MOVED["ref_id"] + "x"))
    assert mirrored_weeks(sides(1200.0, 1200.0), others).sentences == {}


def test_without_evidence_no_week_has_a_mirror() -> None:
    assert mirrored_weeks(sides(1200.0, 1200.0), None).others == frozenset()
