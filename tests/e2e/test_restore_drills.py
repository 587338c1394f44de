"""RUNBOOKS.md, "Restore drills", on the sample company: what is lost, what is done, what is seen."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
from pymongo.database import Database

from billing_dq.composition import build_definitions
from billing_dq.defs.jobs import CONCLUDE_NIGHT
from billing_dq.runner import DAGSTER_YAML, StoredNight, run_night
from billing_dq.settings import Settings, ToleranceSettings
from billing_dq.storage.lake import Lake
from billing_dq.tables import FINDINGS, WEEKLY_USAGE
from billing_dq_simulation.local_stripe import serve
from tests.support.worlds import SAMPLE_AS_OF, load_documents, sample_settings, sample_stripe

pytestmark = pytest.mark.slow

FIRST, SECOND = "2026-11-21", "2026-11-22"
Document = dict[str, object]


@contextmanager
def history() -> Iterator[dg.DagsterInstance]:
    """A new, empty storage of Dagster."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
        with dg.DagsterInstance.from_config(directory) as instance:
            yield instance


@pytest.fixture
def settings(
    tmp_path: Path,
    mongodb_uri: str,
    database: Database[Document],
    sample_documents: dict[str, list[Document]],
) -> Iterator[Settings]:
    load_documents(database, sample_documents)
    with serve(sample_stripe()) as stripe:
        yield sample_settings(tmp_path, mongodb_uri, database.name, stripe.url)


def take(settings: Settings, night: int = 0) -> StoredNight:
    with history() as instance:
        return run_night(settings, instance, SAMPLE_AS_OF + timedelta(days=night))


def stored(settings: Settings, night: str) -> "set[tuple[str, str, int]]":
    rows = Lake(settings.home).require(FINDINGS, night).frame()
    return set(zip(rows["finding_id"], rows["state"], rows["nights_open"], strict=True))


def test_a_lost_storage_of_dagster_costs_the_history_in_the_ui_and_no_result(settings: Settings) -> None:
    first = take(settings)
    second = take(settings, 1)  # on a storage that knows nothing of the first night
    assert set(second.findings["state"]) == {"persisting"}
    assert set(second.findings["finding_id"]) == set(first.findings["finding_id"])
    assert set(second.findings["nights_open"]) == {2}


def test_a_lost_lake_is_begun_anew_and_each_finding_is_new_again(settings: Settings) -> None:
    first = take(settings)
    shutil.rmtree(Path(settings.home) / "lake")
    second = take(settings, 1)
    assert set(second.findings["state"]) == {"new"}
    assert set(second.findings["finding_id"]) == set(first.findings["finding_id"])  # acceptances go by it: they hold


def test_nights_of_wrong_settings_are_concluded_again_from_what_they_read(settings: Settings) -> None:
    blind = ToleranceSettings(absolute_units=10_000_000, relative=0.99)
    wrong = settings.model_copy(update={"tolerance": blind})
    assert take(wrong).findings.empty
    assert take(wrong, 1).findings.empty
    read = [Lake(settings.home).require(WEEKLY_USAGE, night).path.read_bytes() for night in (FIRST, SECOND)]
    with history() as instance, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        job = build_definitions(settings).resolve_job_def(CONCLUDE_NIGHT)
        for night in (FIRST, SECOND):  # the oldest first: each looks at the one before
            assert job.execute_in_process(partition_key=night, instance=instance).success
    assert {(state, nights) for _, state, nights in stored(settings, FIRST)} == {("new", 1)}
    assert {(state, nights) for _, state, nights in stored(settings, SECOND)} == {("persisting", 2)}
    assert read == [Lake(settings.home).require(WEEKLY_USAGE, night).path.read_bytes() for night in (FIRST, SECOND)]
