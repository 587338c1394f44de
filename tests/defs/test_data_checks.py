"""The checks of the night's data, through the jobs: silent on a first night, green and red beside a stored history."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from billing_dq.composition import build_definitions
from billing_dq.defs.checks.data_checks import DATA_CHECKS, KEEPS_ITS_SHAPE
from billing_dq.defs.jobs import CONCLUDE_NIGHT
from billing_dq.settings import Settings
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import TableWriter
from billing_dq.tables import COLUMN_PROFILES, DOCUMENT_SHAPES, NIGHT_MEASURES, Table
from tests.support.sample_night import SampleNight
from tests.support.worlds import SAMPLE_AS_OF

NIGHT = SAMPLE_AS_OF.date()
NAMES = {check.name for check in DATA_CHECKS} | {KEEPS_ITS_SHAPE}


@pytest.fixture(scope="module")
def sample(sample_night: SampleNight, tmp_path_factory: pytest.TempPathFactory) -> SampleNight:
    return sample_night.copied_to(tmp_path_factory.mktemp("home"))


def store(lake: Lake, table: Table, night: date, frame: pd.DataFrame) -> None:
    path = lake.root / table.name / f"{night.isoformat()}.parquet"
    with TableWriter(table, path) as writer:
        writer.write(to_arrow(table, table.conform(frame)))


def concluded(settings: Settings, instance: dg.DagsterInstance) -> dict[str, dg.AssetCheckEvaluation]:
    job = build_definitions(settings).resolve_job_def(CONCLUDE_NIGHT)
    result = job.execute_in_process(instance=instance, partition_key=NIGHT.isoformat())
    return {check.check_name: check for check in result.get_asset_check_evaluations() if check.check_name in NAMES}


def test_a_first_night_is_measured_and_nothing_of_it_is_judged(sample: SampleNight) -> None:
    settings, night = sample.settings, sample.result
    sentences = {check.name: check.sentence for check in night.checks if check.name in NAMES}
    assert set(sentences) == NAMES
    assert all(sentence.startswith("not judged") for sentence in sentences.values())
    lake = Lake(settings.home)
    measures = lake.require(NIGHT_MEASURES, night.night).frame().set_index(["collection", "measure", "week_key"])
    usage = lake.require(DOCUMENT_SHAPES, night.night).frame()
    assert measures.loc[("organizations", "documents", ""), "value"] > 0
    assert 0 <= measures.loc[("billingusages", "age", ""), "value"] < 24 * 14
    weeks = measures.xs("documents_of_week", level="measure")["value"]
    assert len(weeks) == 4
    assert weeks.sum() <= usage.loc[usage["collection"] == "billingusages", "population"].max()
    assert not lake.require(COLUMN_PROFILES, night.night).frame().empty
    page = lake.data_page_path(night.night).read_text(encoding="utf-8")
    assert "The data of this night is not compared with earlier nights: too few nights" in page
    assert "<b>weekly_usage</b>" in page


@pytest.mark.slow
def test_beside_a_history_of_the_same_the_night_is_green_and_beside_twice_as_much_it_is_red(
    sample: SampleNight, tmp_path: Path
) -> None:
    settings, instance, night = sample.settings, sample.instance, sample.result
    lake = Lake(settings.home)
    measures = lake.require(NIGHT_MEASURES, night.night).frame()
    shapes = lake.require(DOCUMENT_SHAPES, night.night).frame()
    earlier = [NIGHT - timedelta(days=days) for days in range(1, 29)]
    for date_before in earlier:
        store(lake, NIGHT_MEASURES, date_before, measures)
        store(lake, DOCUMENT_SHAPES, date_before, shapes)
    assert {name: check.passed for name, check in concluded(settings, instance).items()} == dict.fromkeys(NAMES, True)

    amounts = measures["measure"].isin(["documents", "entries", "documents_of_week", "entries_of_week"])
    doubled = measures.assign(value=measures["value"].where(~amounts, measures["value"] * 2))
    lacking = shapes[~((shapes["field"] == "ledger.source") | (shapes["field"] == "planVersion"))]
    extended = pd.concat([lacking, _with_tier(shapes)])
    for date_before in earlier:
        store(lake, NIGHT_MEASURES, date_before, doubled)
        store(lake, DOCUMENT_SHAPES, date_before, extended)
    checks = concluded(settings, instance)
    assert {name for name, check in checks.items() if not check.passed} == {
        "usage_has_its_usual_size",
        "ledgers_have_their_usual_size",
        "organizations_have_their_usual_number",
        "subscriptions_have_their_usual_number",
        KEEPS_ITS_SHAPE,
    }
    assert checks["usage_has_its_usual_size"].severity == dg.AssetCheckSeverity.ERROR
    assert checks[KEEPS_ITS_SHAPE].severity == dg.AssetCheckSeverity.WARN
    assert "subscriptions.tier is gone: 100% of the documents had it" in (checks[KEEPS_ITS_SHAPE].description or "")
    documents = measures[(measures["measure"] == "documents") & (measures["collection"] == "billingusages")]
    plotted = checks["usage_has_its_usual_size"].metadata["billingusages_documents"].value
    assert plotted == documents["value"].item()
    page = lake.data_page_path(night.night).read_text(encoding="utf-8")
    assert "The data of this night is unusual" in page
    assert "subscriptions.tier is gone" in page


def _with_tier(shapes: pd.DataFrame) -> pd.DataFrame:
    """A field that the history has and the night has not."""
    row = shapes[(shapes["collection"] == "subscriptions") & (shapes["field"] == "organization")].head(1)
    return row.assign(field="tier", observed="string", declared=False, example_id="6" * 24)
