"""The manifest of a night, which shows the night to readers when all of it is there; and the night on S3."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from billing_dq.errors import SourceError
from billing_dq.report.night import read_night
from billing_dq.runner import run_night
from billing_dq.settings import SECRETS, Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import NightManifest, differences, without_secrets
from billing_dq.tables import FINDINGS, TABLES, WEEKLY_USAGE
from tests.support.s3_server import S3Server
from tests.support.sample_night import SampleNight
from tests.support.worlds import SAMPLE_AS_OF

NIGHT = "2026-11-21"


def manifest_of(settings: Settings) -> NightManifest:
    manifest = NightManifest.of(Lake(settings.home), NIGHT)
    assert manifest is not None
    return manifest


def test_the_manifest_has_every_file_of_the_night_with_its_hash(sample_night: SampleNight) -> None:
    lake, manifest = Lake(sample_night.settings.home), manifest_of(sample_night.settings)
    root = Path(sample_night.settings.home) / "lake"
    stored = {path.relative_to(root).as_posix() for path in root.glob(f"*/{NIGHT}.*")} - {f"manifests/{NIGHT}.json"}
    assert set(manifest.files) == stored
    assert {f"report/{NIGHT}.html", f"snapshot_facts/{NIGHT}.json"} <= stored
    assert differences(lake, manifest) == []


def test_the_manifest_says_what_went_in_what_came_out_and_by_which_code_and_rules(sample_night: SampleNight) -> None:
    manifest = manifest_of(sample_night.settings)
    assert manifest.state == "complete"
    assert manifest.documents["organizations"]["counted"] > 0
    assert manifest.stripe["state"] == "read"
    assert set(manifest.rows) == set(TABLES)
    assert manifest.code_version
    assert {len(version) for version in manifest.rule_versions.values()} == {64}
    assert {"reconcile.meter", "reconcile.ledger", "reconcile.disputes"} <= set(manifest.rule_versions)


def test_the_manifest_holds_no_secret_and_every_other_setting(sample_night: SampleNight) -> None:
    manifest = manifest_of(sample_night.settings)
    assert set(manifest.settings) == set(Settings.model_fields) - SECRETS
    assert "rk_live" not in manifest.model_dump_json()


def test_no_text_of_an_engine_stands_in_the_manifest_however_deep() -> None:
    config = {"broker": "amqp://u:hunter2@h", "k8s": {"env": ["PASSWORD=hunter2"]}, "max_concurrent": 4}
    public = without_secrets(Settings.model_validate({"execution": {"engine": "celery", "config": config}}))
    assert public["execution"] == {
        "engine": "celery",
        "config": {"broker": "***", "k8s": {"env": ["***"]}, "max_concurrent": 4},
    }


def run_and_die(night: SampleNight, home: Path, at: int) -> None:
    """A process takes the night and is killed in the middle of the file of that number."""
    settings = night.settings
    assert settings.mongodb_uri is not None
    uri = settings.mongodb_uri.get_secret_value()
    script = f"""
import os, signal, sys
from datetime import datetime
import dagster as dg
from billing_dq.storage import placing
from billing_dq.defs import io_manager
from billing_dq.runner import run_night
from tests.support.worlds import sample_settings
remaining = [{at}]
put_file = placing.put_file
def dying(source, place):
    remaining[0] -= 1
    if not remaining[0]:
        from pathlib import Path
        partial = Path(place.path).with_name("." + place.name + ".dying.tmp")
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(source.read_bytes()[:40])
        os.kill(os.getpid(), signal.SIGKILL)
    put_file(source, place)
io_manager.put_file = dying
with dg.DagsterInstance.ephemeral() as instance:
    settings = sample_settings({str(home)!r}, {uri!r}, {settings.mongodb_database!r}, {settings.stripe_base_url!r})
    run_night(settings, instance, datetime.fromisoformat({SAMPLE_AS_OF.isoformat()!r}))
"""
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-2000:]


@pytest.mark.slow
def test_a_night_killed_after_its_evidence_is_hidden_and_the_next_run_concludes_it(
    sample_night: SampleNight, tmp_path: Path
) -> None:
    run_and_die(sample_night, tmp_path, at=len(TABLES) - 4)
    lake = Lake(str(tmp_path))
    assert lake.stored(WEEKLY_USAGE, NIGHT) is not None
    assert {name: lake.nights(table) for name, table in TABLES.items() if lake.nights(table)} == {}
    with pytest.raises(SourceError, match="is not whole"):
        read_night(sample_night.settings_of(tmp_path), NIGHT)
    run_night(sample_night.settings_of(tmp_path), sample_night.instance, SAMPLE_AS_OF)
    assert lake.nights(FINDINGS) == [NIGHT]
    assert list(tmp_path.glob("lake/*/.*.tmp")) == []
    assert tables_of(manifest_of(sample_night.settings_of(tmp_path))) == tables_of(manifest_of(sample_night.settings))


@pytest.mark.slow
def test_a_night_killed_while_its_evidence_is_written_is_hidden_and_is_read_again_knowingly(
    sample_night: SampleNight, tmp_path: Path
) -> None:
    run_and_die(sample_night, tmp_path, at=3)
    assert Lake(str(tmp_path)).nights(FINDINGS) == []
    run_night(sample_night.settings_of(tmp_path), sample_night.instance, SAMPLE_AS_OF)
    assert tables_of(manifest_of(sample_night.settings_of(tmp_path))) == tables_of(manifest_of(sample_night.settings))


def tables_of(manifest: NightManifest) -> dict[str, str]:
    """The hashes of the tables: what the same evidence gives again, byte by byte."""
    return {name: file.sha256 for name, file in manifest.files.items() if name.endswith(".parquet")}


@pytest.mark.slow
def test_the_night_on_s3_is_the_same_byte_by_byte(sample_night: SampleNight, tmp_path: Path, s3: S3Server) -> None:
    settings = sample_night.settings_of(f"{s3.address}/billing").model_copy(update={"state": str(tmp_path)})
    run_night(settings, sample_night.instance, SAMPLE_AS_OF)
    assert tables_of(manifest_of(settings)) == tables_of(manifest_of(sample_night.settings))
    assert differences(Lake(settings.home), manifest_of(settings)) == []
    assert read_night(settings).night == NIGHT
    with pytest.raises(SourceError, match="is stored and is not read again"):
        run_night(settings, sample_night.instance, SAMPLE_AS_OF)


def test_a_night_of_an_older_version_has_no_manifest_and_is_read_as_it_is(
    sample_night: SampleNight, tmp_path: Path
) -> None:

    shutil.copytree(Path(sample_night.settings.home) / "lake", tmp_path / "lake")
    shutil.rmtree(tmp_path / "lake" / "manifests")
    shutil.rmtree(tmp_path / "lake" / "unfinished")
    assert read_night(sample_night.settings_of(tmp_path)).night == NIGHT
