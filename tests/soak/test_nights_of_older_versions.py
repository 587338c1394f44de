"""Nights that older versions stored are read by the code as it is, and the next night goes on from them."""

import logging
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from billing_dq.cli import main
from billing_dq.reconcile.inputs import ApplicationTables
from billing_dq.report.night import read_night
from billing_dq.report.storing import store_report
from billing_dq.runner import run_night, stored_night
from billing_dq.settings import Settings
from billing_dq.storage.history import earlier_evidence, earlier_than
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.tables import FINDINGS, SUBSCRIPTIONS, TABLES
from billing_dq_simulation.config import settings_toml
from tests.faults import company
from tests.faults.night_faults import no_trouble, surroundings_of
from tests.faults.stored_versions import COMPANY, STORED, company_of, unpack, versions

pytestmark = pytest.mark.slow

DATES = [company.as_of(night).date().isoformat() for night in STORED]


@pytest.fixture(scope="module", params=versions())
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    home = tmp_path_factory.mktemp("kept")
    unpack(str(request.param), home)
    return str(request.param), home


@pytest.fixture
def settings(kept: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a copy of the kept nights, also for the commands."""
    home = tmp_path / "home"
    shutil.copytree(kept[1], home)
    (tmp_path / "billing_dq.toml").write_text(settings_toml(company.config(COMPANY)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BILLING_DQ_HOME", str(home))
    return company.settings_of(COMPANY, str(home))


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> object:
    """The exit status of a command."""
    monkeypatch.setattr(sys, "argv", ["billing-dq", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_every_table_is_read_and_keeps_the_contract_of_now(settings: Settings) -> None:
    lake = Lake(settings.home)
    for table in TABLES.values():
        for night in lake.nights(table):
            stored = lake.stored(table, night)
            assert stored is not None
            table.conform(stored.frame())


def test_the_findings_are_those_that_were_found(kept: tuple[str, Path], settings: Settings) -> None:
    for date in DATES:
        found = sorted(stored_night(settings, date).open_findings["finding_id"])
        assert found == company_of(kept[0])["findings"][date]


def test_the_history_is_known_to_the_next_night(settings: Settings) -> None:
    lake, date = Lake(settings.home), company.as_of(3).date().isoformat()
    weeks = SnapshotFactsRecord.require(settings.home, DATES[-1]).weeks
    known = earlier_than(lake, date, weeks).findings
    assert known is not None
    assert set(lake.require(FINDINGS, DATES[-1]).frame()["finding_id"]) <= set(known["finding_id"])
    ours = ApplicationTables(weeks, {"subscriptions": lake.require(SUBSCRIPTIONS, DATES[-1]).frame()})
    evidence = earlier_evidence(lake, date, ours)
    assert not evidence.quotas.empty


def test_the_report_is_written_anew(settings: Settings) -> None:
    for date in DATES:
        assert date in store_report(settings, read_night(settings, date)).read_text(encoding="utf-8")


def test_the_commands_show_them(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    meter = stored_night(settings, DATES[-1]).deltas.iloc[0]
    for words in (
        ("findings", "--json"),
        ("export", "findings", "--night", DATES[0]),
        ("export", "weekly_usage"),
        ("explain", str(meter["organization_id"]), str(meter["week_key"]), "--json"),
        ("report", DATES[-1]),
        ("credits", "list"),
    ):
        assert command(monkeypatch, *words) in (0, 1), f"{words}: {capfd.readouterr().err}"
        assert capfd.readouterr().out, words


@pytest.mark.filterwarnings("ignore")
def test_the_next_night_goes_on_from_them(kept: tuple[str, Path], settings: Settings) -> None:
    told = company_of(kept[0])
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    known = Lake(settings.home).require(FINDINGS, DATES[-1]).frame().set_index("finding_id")["first_seen"]
    around = surroundings_of(
        told["documents"], told["objects"], company.as_of(STORED[-1] + 1), no_trouble(), Path(settings.home)
    )
    with dg.DagsterInstance.ephemeral() as instance, around:
        night = run_night(settings, instance)
    again = night.open_findings.set_index("finding_id")
    both = again.index.intersection(known.index)
    assert len(both)
    assert again.loc[both, "first_seen"].tolist() == known[both].tolist()
    assert set(again.loc[both, "state"]) == {"persisting"}
