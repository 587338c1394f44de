"""Beside the assets of another project (examples/foreign_project): in its code location, and in another one."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from billing_dq.component import BillingDq
from billing_dq.composition import build_defs
from billing_dq.settings import Settings
from examples.foreign_project import other_location, same_location
from tests.support.sample_night import SampleNight

pytestmark = [
    pytest.mark.filterwarnings("ignore::dagster.PreviewWarning"),
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
]
NIGHT = "2026-11-21"
FINDINGS = same_location.FINDINGS


@dataclass(frozen=True)
class ForeignNight:
    """A night that was concluded in the code location of another project."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    result: dg.ExecuteInProcessResult
    directory: Path
    requested: set[str]


@pytest.fixture(scope="module")
def foreign(sample_night: SampleNight, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForeignNight]:
    home, directory = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("csv")
    definitions = same_location.merged(str(directory), sample_night.copied_to(home).settings)
    with dg.DagsterInstance.ephemeral() as instance:
        before = dg.evaluate_automation_conditions(definitions, instance)
        job = definitions.resolve_job_def("billing_dq_conclude_night")
        result = job.execute_in_process(partition_key=NIGHT, instance=instance)
        after = dg.evaluate_automation_conditions(definitions, instance, cursor=before.cursor)
        requested = after.get_requested_partitions(dg.AssetKey("report"))
        yield ForeignNight(definitions, instance, result, directory, {str(key) for key in requested})


def test_all_checks_of_a_night_are_judged_under_the_prefix(foreign: ForeignNight, sample_night: SampleNight) -> None:
    evaluations = foreign.result.get_asset_check_evaluations()
    assert {evaluation.asset_key.path[0] for evaluation in evaluations} == {"billing_dq"}
    assert {evaluation.check_name for evaluation in evaluations} == {check.name for check in sample_night.result.checks}
    assert all(evaluation.passed for evaluation in evaluations)


def test_a_table_tells_in_dagsters_own_words_where_it_is_and_how_large(foreign: ForeignNight) -> None:
    event = foreign.instance.get_latest_materialization_event(FINDINGS)
    assert event is not None
    assert event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    frame = pd.read_parquet(str(metadata["dagster/uri"].value))
    assert str(metadata["dagster/uri"].value).endswith(f"/lake/findings/{NIGHT}.parquet")
    assert metadata["dagster/row_count"].value == len(frame) == 10


@pytest.mark.parametrize("name", ["findings", "nightly_report", "weekly_usage", "stripe_subscriptions"])
def test_a_table_has_its_columns_name_source_and_version(foreign: ForeignNight, name: str) -> None:
    node = foreign.definitions.resolve_asset_graph().get(dg.AssetKey(["billing_dq", name]))
    assert {"dagster/column_schema", "dagster/table_name", "dagster/code_references"} <= set(node.metadata)
    assert node.code_version


def test_an_asset_of_the_project_is_asked_for_by_a_new_night_and_has_its_findings(foreign: ForeignNight) -> None:
    assert foreign.requested == {NIGHT}
    job = foreign.definitions.resolve_implicit_global_asset_job_def()
    job.execute_in_process(partition_key=NIGHT, instance=foreign.instance, asset_selection=[dg.AssetKey("report")])
    assert "finding_id" in (foreign.directory / "report.csv").read_text()
    job.execute_in_process(
        instance=foreign.instance, asset_selection=[dg.AssetKey("subscriptions"), dg.AssetKey("alerts")]
    )
    assert (foreign.directory / "alerts.csv").read_text() == "newsletter\nweekly\n"


def test_an_asset_in_another_location_reads_the_table_where_the_night_says_that_it_is(foreign: ForeignNight) -> None:
    job = other_location.defs.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(partition_key=NIGHT, instance=foreign.instance)
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["dagster/row_count"].value == 10


def test_every_name_in_the_location_is_under_the_prefix() -> None:
    repository = build_defs(Settings(), key_prefix="night_watch").get_repository_def()
    graph = repository.asset_graph
    keys = [*graph.get_all_asset_keys(), *(key.asset_key for key in graph.asset_check_keys)]
    parents = [parent for key in graph.asset_check_keys for parent in graph.get(key).parent_entity_keys]
    assert {key.path[0] for key in keys} == {"night_watch"}
    assert all(graph.has(parent) for parent in parents)
    names = [*repository.job_names, *(sensor.name for sensor in repository.sensor_defs)]
    names += [schedule.name for schedule in repository.schedule_defs]
    names += [str(graph.get(key).group_name) for key in graph.get_all_asset_keys()]
    assert {name for name in names if not name.startswith("night_watch_")} == {"__ASSET_JOB"}
    resources = repository.get_top_level_resources()
    assert all(name.startswith("billing_dq_") for name in resources)


def test_the_component_gives_the_definitions_under_its_prefix() -> None:
    definitions = dg.build_defs_for_component(BillingDq(key_prefix="nights"))
    assert dg.AssetKey(["nights", "findings"]) in definitions.resolve_asset_graph().get_all_asset_keys()
