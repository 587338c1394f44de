"""What of a job a night needs that ended half-way: its steps, and its checks."""

import pytest

from billing_dq.composition import build_definitions
from billing_dq.defs.jobs import CONCLUDE_NIGHT, RECONCILE_NIGHT, Part, part_of
from billing_dq.settings import Settings


def names(job: str, part: Part) -> tuple[set[str], int]:
    """The steps of a part, and how many checks it asks."""
    run = part_of(build_definitions(Settings()).resolve_job_def(job), part)
    assert run.name == job
    return {node.name for node in run.nodes}, len(set(run.asset_layer.asset_graph.asset_check_keys))


@pytest.mark.filterwarnings("ignore")
def test_a_night_whose_mongodb_is_stored_gets_every_other_step_and_every_check() -> None:
    steps, checks = names(RECONCILE_NIGHT, "all")
    assert names(RECONCILE_NIGHT, "after_mongodb") == (steps - {"billing_dq_mongo_snapshot"}, checks)
    assert "billing_dq_stripe" not in names(CONCLUDE_NIGHT, "all")[0]


@pytest.mark.filterwarnings("ignore")
def test_a_night_without_its_pages_gets_these_and_no_check() -> None:
    assert names(CONCLUDE_NIGHT, "pages") == ({"billing_dq_report", "billing_dq_data_page"}, 0)
