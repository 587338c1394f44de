"""A night depends on the nights before it, and a night that ended half-way is finished by running it again.

The nights are of a small company whose MongoDB and Stripe are held in memory (`tests.faults`): nothing else stands in.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from billing_dq.composition import build_definitions
from billing_dq.defs.jobs import CONCLUDE_NIGHT
from billing_dq.errors import SourceError
from billing_dq.runner import StoredNight, run_night
from billing_dq.storage.earlier_nights import is_read
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import NightManifest, differences
from billing_dq.storage.records import StripeReadingRecord
from billing_dq.tables import FINDINGS
from tests.faults import company
from tests.faults.night_faults import Trouble, no_trouble, surroundings

COMPANY = 1
NIGHTS = [company.as_of(number).date().isoformat() for number in range(4)]

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def take(home: Path, instance: dg.DagsterInstance, number: int, trouble: Trouble | None = None) -> StoredNight:
    """A night, as `billing-dq nightly` takes it."""
    with surroundings(COMPANY, number, 0, trouble or no_trouble(), home):
        return run_night(company.settings_of(COMPANY, str(home)), instance)


@pytest.fixture(scope="module")
def two_nights(instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("two_nights").resolve()
    for number in range(2):
        take(home, instance, number)
    return home


@pytest.fixture
def home(two_nights: Path, tmp_path: Path) -> Path:
    """Two whole nights, for a test to spoil."""
    shutil.copytree(two_nights / "lake", tmp_path / "lake")
    return tmp_path.resolve()


def sources_down() -> Trouble:
    """Nothing can be read."""
    trouble = no_trouble()
    for edge in (trouble.mongodb, trouble.stripe):
        edge.at, edge.times, edge.fails = 0, 1_000_000, trouble.process.kill
    return trouble


def tables(home: Path, night: str) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in (home / "lake").glob(f"*/{night}.parquet")}


def conclude(home: Path, instance: dg.DagsterInstance, night: str) -> dg.ExecuteInProcessResult:
    job = build_definitions(company.settings_of(COMPANY, str(home))).resolve_job_def(CONCLUDE_NIGHT)
    return job.execute_in_process(instance=instance, partition_key=night, raise_on_error=False)


def refusals(result: dg.ExecuteInProcessResult) -> list[str]:
    failures = [event.step_failure_data.user_failure_data for event in result.all_events if event.is_step_failure]
    return [failure.description or "" for failure in failures if failure is not None]


def test_a_night_is_not_concluded_before_an_earlier_one_and_keeps_what_it_has(
    home: Path, instance: dg.DagsterInstance
) -> None:
    lake, before = Lake(str(home)), tables(home, NIGHTS[1])
    lake.begin(NIGHTS[0])
    result = conclude(home, instance, NIGHTS[1])
    assert {reason.partition(";")[0] for reason in refusals(result)} == {
        f"the night of {NIGHTS[1]} is not concluded: the night of {NIGHTS[0]} before it was read and not concluded"
    }
    assert tables(home, NIGHTS[1]) == before
    assert lake.nights(FINDINGS) == [NIGHTS[1]]


def test_the_next_night_finishes_an_earlier_one_first_and_findings_keep_their_age(
    home: Path, two_nights: Path, instance: dg.DagsterInstance
) -> None:
    lake = Lake(str(home))
    lake.begin(NIGHTS[1])
    lake.remove(FINDINGS, NIGHTS[1])
    third = take(home, instance, 2)
    assert tables(home, NIGHTS[1]) == tables(two_nights, NIGHTS[1])
    assert lake.nights(FINDINGS) == NIGHTS[:3]
    first = lake.require(FINDINGS, NIGHTS[0]).frame()
    again = third.open_findings[third.open_findings["finding_id"].isin(first["finding_id"])]
    assert len(again)
    assert set(again["state"]) == {"persisting"}
    assert set(again["nights_open"]) == {3}


def test_a_night_after_one_with_lost_findings_is_read_and_waits_until_they_are_restored(
    home: Path, instance: dg.DagsterInstance
) -> None:
    lake, lost = Lake(str(home)), home / "lake" / "findings" / f"{NIGHTS[1]}.parquet"
    findings = lost.read_bytes()
    lost.unlink()
    with pytest.raises(SourceError, match=rf"findings/{NIGHTS[1]}.parquet is gone.*--without-night {NIGHTS[1]}"):
        take(home, instance, 2)
    assert is_read(lake, NIGHTS[2])
    assert not lake.is_whole(NIGHTS[2])
    lost.write_bytes(findings)
    restored = take(home, instance, 2, sources_down()).open_findings
    assert "persisting" in set(restored["state"])


def test_a_night_that_was_killed_while_stripe_was_read_is_finished_without_reading_mongodb_again(
    home: Path, instance: dg.DagsterInstance
) -> None:
    killed = no_trouble()
    killed.stripe.at, killed.stripe.fails = 2, killed.process.kill
    with pytest.raises(SourceError):  # Dagster makes of it the failure of a step; nothing was written after it
        take(home, instance, 2, killed)
    assert StripeReadingRecord.of(str(home), NIGHTS[2]) is None
    without_mongodb = sources_down()
    without_mongodb.stripe.at = None
    third = take(home, instance, 2, without_mongodb)
    assert third.stripe.state == "read"
    assert company.told(third.open_findings) == company.truth(COMPANY, 2, 0, True).findings


def test_a_night_without_its_pages_gets_them_and_nothing_else(home: Path, instance: dg.DagsterInstance) -> None:
    lake, before = Lake(str(home)), tables(home, NIGHTS[1])
    pages = [Path(str(lake.report_path(NIGHTS[1]))), Path(str(lake.data_page_path(NIGHTS[1])))]
    for page in pages:
        page.unlink()
    take(home, instance, 1, sources_down())
    assert all(page.exists() for page in pages)
    assert tables(home, NIGHTS[1]) == before
    manifest = NightManifest.of(lake, NIGHTS[1])
    assert manifest is not None
    assert differences(lake, manifest) == []
    with pytest.raises(SourceError, match="is stored and is not read again"):
        take(home, instance, 1, sources_down())


def test_a_night_whose_home_was_removed_under_it_begins_anew(home: Path, instance: dg.DagsterInstance) -> None:
    lake = Lake(str(home))
    lake.begin(NIGHTS[1])
    for path in (home / "lake").glob(f"*/{NIGHTS[1]}.*"):
        if path.parent.name not in ("snapshot_facts", "stripe_reading", "unfinished", "extras_balances"):
            path.unlink()
    third = take(home, instance, 1)
    assert company.told(third.open_findings) == company.truth(COMPANY, 1, 0, True).findings
