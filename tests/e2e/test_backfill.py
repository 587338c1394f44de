"""Ten nights that Dagster's daemon is asked to conclude at once are concluded in their order, to the same bytes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from billing_dq.runner import DAGSTER_YAML, run_night
from billing_dq.storage.lake import Lake
from billing_dq.tables import FINDINGS
from billing_dq_simulation.config import settings_toml
from tests.faults import company
from tests.faults.night_faults import no_trouble, surroundings

COMPANY, NIGHTS = 1, 10
DATES = [company.as_of(number).date().isoformat() for number in range(NIGHTS)]
SECONDS = 1800
PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Ten nights in order, and a Dagster home as `billing-dq` makes it."""
    home = tmp_path.resolve() / "home"
    with dg.DagsterInstance.ephemeral() as instance:
        for number in range(NIGHTS):
            with surroundings(COMPANY, number, 0, no_trouble(), home):
                run_night(company.settings_of(COMPANY, str(home)), instance)
    (dagster := tmp_path / "dagster").mkdir()
    (dagster / "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
    (tmp_path / "billing_dq.toml").write_text(settings_toml(company.config(COMPANY)), encoding="utf-8")
    return home


def tables(home: Path) -> dict[str, bytes]:
    return {
        f"{path.parent.name}/{path.stem}": path.read_bytes()
        for path in (home / "lake").glob("*/*.parquet")
        if path.stem in DATES
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ten_nights_backfilled_in_parallel_give_the_bytes_of_ten_nights_in_order(home: Path) -> None:
    directory, lake, in_order = home.parent, Lake(str(home)), tables(home)
    for night in DATES:  # as if no night had been concluded: whoever comes too early is refused
        lake.begin(night)
        lake.remove(FINDINGS, night)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("BILLING_DQ_")},
        "DAGSTER_HOME": str(directory / "dagster"),
        "BILLING_DQ_HOME": str(home),
    }
    definitions = ["-m", "billing_dq.definitions"]
    asked = ["job", "backfill", *definitions, "-j", "conclude_night", "--partitions", ",".join(DATES), "--noprompt"]
    with (directory / "daemon.log").open("wb") as log:
        daemon = subprocess.Popen(
            [PROGRAMS / "dagster-daemon", "run", *definitions], cwd=directory, env=environment, stdout=log, stderr=log
        )
        try:
            subprocess.run([PROGRAMS / "dagster", *asked], cwd=directory, env=environment, check=True)
            with dg.DagsterInstance.from_config(str(directory / "dagster")) as instance:
                runs = ended(instance)
        finally:
            daemon.terminate()
            daemon.wait(120)
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * NIGHTS
    assert lake.nights(FINDINGS) == DATES
    assert tables(home) == in_order


def ended(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """The runs, once all have ended."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        runs = list(instance.get_runs())
        if len(runs) == NIGHTS and all(run.is_finished for run in runs):
            return runs
        time.sleep(2)
    raise TimeoutError("the backfill did not end")
