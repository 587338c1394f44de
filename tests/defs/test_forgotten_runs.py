"""Old runs of nights are forgotten where the setting says so, and no others."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from billing_dq.defs.jobs import RECONCILE_NIGHT
from billing_dq.defs.manifest import forget_old_runs


def ran(name: str, instance: dg.DagsterInstance) -> str:
    """A run of a job of that name, which does nothing."""

    @dg.op
    def nothing() -> None:
        return None

    @dg.job(name=name)
    def job() -> None:
        nothing()

    return job.execute_in_process(instance=instance).run_id


def test_runs_of_nights_older_than_the_days_are_forgotten_and_credits_and_younger_ones_stay() -> None:
    today = datetime.now(UTC)
    with dg.DagsterInstance.ephemeral() as instance:
        night, credit = ran(RECONCILE_NIGHT, instance), ran("apply_dispute_credit", instance)
        assert forget_old_runs(instance, None, today + timedelta(days=900), [RECONCILE_NIGHT]) == 0
        assert forget_old_runs(instance, 400, today + timedelta(days=399), [RECONCILE_NIGHT]) == 0
        assert instance.all_logs(night)
        assert forget_old_runs(instance, 400, today + timedelta(days=401), [RECONCILE_NIGHT]) == 1
        assert [run.run_id for run in instance.get_runs()] == [credit]
        assert not instance.all_logs(night)
        assert instance.all_logs(credit)
