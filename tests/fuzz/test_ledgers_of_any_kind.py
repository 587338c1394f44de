"""Sound documents with any ledger in them: the rules come to an end, and what they say keeps its contract."""

import pytest

from billing_dq.policy import policy_of
from billing_dq.reconcile.inputs import ApplicationTables
from billing_dq.reconcile.night import reconcile_night
from billing_dq.settings import Settings
from billing_dq.tables import FINDINGS, LEDGER_VIOLATIONS, METER_EXTRAS_DELTAS
from tests.support.examples import hostile_examples
from tests.support.mongo_world import NIGHT, plain_tables, random_world

EXAMPLES = hostile_examples()
_TOGETHER = 10


@pytest.mark.parametrize("first", range(0, EXAMPLES // 5, _TOGETHER))
def test_any_ledger_comes_to_findings_that_keep_their_contract(first: int) -> None:
    policy = policy_of(Settings())
    for seed in range(first, first + _TOGETHER):
        tables = plain_tables(random_world(seed, organizations=6))
        night = reconcile_night(ApplicationTables(NIGHT, tables), None, policy)
        METER_EXTRAS_DELTAS.conform(night.meter.deltas)
        LEDGER_VIOLATIONS.conform(night.violations)
        FINDINGS.conform(night.findings)
        assert not night.findings["finding_id"].duplicated().any(), f"seed {seed}"
