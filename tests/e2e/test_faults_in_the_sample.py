import pandas as pd
import pytest

from billing_dq_simulation import local_stripe
from tests.support.pure_night import SAMPLE_STRIPE, pure_sample_night
from tests.support.sample_faults import PLANTS, Documents, worlds

BY_DESIGN = {"boundary_skew", "settlement_timing", "quota_changed", "late_debit", "usage_reset"}


@pytest.fixture(scope="session")
def sample_stripe() -> Documents:
    return local_stripe.load(SAMPLE_STRIPE)


def rows_beside_the_design(findings: pd.DataFrame) -> set[tuple[str, str | None, str, str | None]]:
    """What the findings say, the explained divergences that the sample has anyway left out."""
    explained = (findings["kind"] == "meter_extras_divergence") & (findings["severity"] == "info")
    rows = findings[~explained][["kind", "organization_id", "subject", "cause"]].astype(object)
    return {tuple(row) for row in rows.where(rows.notna(), None).itertuples(index=False, name=None)}


def test_nothing_is_found_in_the_sample_but_what_its_design_explains(
    sample_documents: Documents, sample_stripe: Documents
) -> None:
    night = pure_sample_night(sample_documents, sample_stripe)
    assert rows_beside_the_design(night.findings) == set()
    assert len(night.meter.deltas) == 386
    assert set(night.findings["cause"]) <= BY_DESIGN
    assert len(night.findings) == 10


def test_faults_planted_in_the_sample_are_found_with_their_causes_and_nothing_else(
    sample_documents: Documents, sample_stripe: Documents
) -> None:
    planted = []
    for world in worlds(sample_documents, sample_stripe):
        planted += world.names
        left = rows_beside_the_design(pure_sample_night(world.documents, world.stripe).findings)
        for wanted in world.expected:
            matching = [row for row in left if all(want in (None, got) for want, got in zip(wanted, row, strict=True))]
            assert matching, f"{wanted} is not among {left}, of {world.names}"
            left.difference_update(matching)
        assert left == set(), world.names
    assert sorted(planted) == sorted(PLANTS)
