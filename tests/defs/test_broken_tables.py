"""A table that breaks a critical expectation stops what rests on it and nothing else; rules of analysts are checks."""

import shutil
from collections.abc import Iterator
from datetime import timedelta

import dagster as dg
import pandas as pd
import pytest
from pymongo import MongoClient

from billing_dq.alerts.outbox import Outbox
from billing_dq.composition import build_definitions
from billing_dq.defs.jobs import CONCLUDE_NIGHT
from billing_dq.runner import DAGSTER_YAML, StoredNight, run_night, stored_night
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.tables import TABLES
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE
from billing_dq_simulation.local_stripe import serve
from tests.support.stored_company import edit_stored
from tests.support.stored_nights import store_record
from tests.support.worlds import SAMPLE_AS_OF, load_documents, sample_settings, sample_stripe

SOUND, NIGHT = "2026-11-21", "2026-11-22"
#: What a night reads; all else it makes of that.
READ = (
    *(*OF_MONGODB, *OF_STRIPE, "quarantined_documents", "quarantined_stripe_objects", "unreadable_keys"),
    *("followed_weeks", "followed_usage", "followed_entries", "document_shapes", "ledger_seals"),
    *("snapshot_facts", "stripe_reading"),
)
STOPPED = {"meter_extras_deltas", "meter_extras_evidence", "runaway_balances", "ledger_violations"}
Results = dict[str, tuple[bool, str, str]]


@pytest.fixture(scope="module")
def nights(
    mongodb_uri: str, sample_documents: dict[str, list[dict[str, object]]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[StoredNight, StoredNight, Results, Settings]]:
    """The sample with a dead-lettered event and three rules, one half written; then a night that read a week twice."""
    home, rules = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("rules")
    (rules / "a.yaml").write_text(
        "name: weeks_are_small\ntable: weekly_usage\nexpectation: expect_column_values_to_be_between\n"
        "arguments:\n  column: meter_used\n  max_value: 1\nseverity: warning\nnote: Weeks are small.\nowner: anna\n"
    )
    (rules / "b.yaml").write_text(
        "name: nothing_was_found\ntable: findings\nsql: SELECT finding_id, kind FROM findings\n"
        "severity: critical\nnote: Nothing was found.\nowner: ben\n"
    )
    (rules / "c.yaml").write_text("name: half_a_rule\ntable: weekly\n")
    (tmp := tmp_path_factory.mktemp("dagster")).joinpath("dagster.yaml").write_text(DAGSTER_YAML)
    database = "billing_dq_test_broken_tables"
    with (
        MongoClient[dict[str, object]](mongodb_uri) as client,
        serve(sample_stripe()) as stripe,
        dg.DagsterInstance.from_config(str(tmp)) as instance,
    ):
        client.drop_database(database)
        load_documents(client[database], sample_documents)
        client[database]["processedstripeevents"].insert_one({"eventId": "evt_1", "deadLetter": True, "attempts": 5})
        settings = sample_settings(home, mongodb_uri, database, stripe.url)
        settings = settings.model_copy(update={"rules_folder": str(rules)})
        sound = run_night(settings, instance, SAMPLE_AS_OF)
        client.drop_database(database)
        for name in READ:
            for stored in (home / "lake" / name).glob(f"{SOUND}.*"):
                shutil.copy(stored, stored.with_name(stored.name.replace(SOUND, NIGHT)))
        facts = SnapshotFactsRecord.require(settings.home, NIGHT)
        store_record(home, facts.model_copy(update={"as_of": SAMPLE_AS_OF + timedelta(days=1)}), NIGHT)
        path = Lake(settings.home).require(TABLES["weekly_usage"], NIGHT).path
        edit_stored(path, "weekly_usage", lambda frame: pd.concat([frame, frame.tail(1)], ignore_index=True))
        result = (
            build_definitions(settings)
            .resolve_job_def(CONCLUDE_NIGHT)
            .execute_in_process(instance=instance, partition_key=NIGHT)
        )
        assert result.success
        checks = {
            f"{check.asset_key.path[-1]}.{check.check_name}": (
                check.passed,
                check.severity.value,
                check.description or "",
            )
            for check in result.get_asset_check_evaluations()
        }
        yield sound, stored_night(settings, NIGHT), checks, settings


def test_a_sound_night_has_every_result_and_the_rules_of_analysts_judge_it(nights) -> None:
    sound, *_ = nights
    assert sound.absent == {}
    red = {
        f"{check.asset}.{check.name}": (check.severity, check.sentence) for check in sound.checks if not check.passed
    }
    assert set(red) == {
        "dead_lettered_events.no_event_is_dead_lettered",
        "weekly_usage.expectations_are_met",
        "findings.critical_expectations_are_met",
        "sound_tables.every_rule_can_be_used",
    }
    assert "c.yaml:1: severity: Field required" in red["sound_tables.every_rule_can_be_used"][1]
    severity, sentence = red["weekly_usage.expectations_are_met"]
    assert (severity, sentence.partition(":")[0]) == ("WARN", "weeks_are_small")
    assert red["findings.critical_expectations_are_met"] == (
        "ERROR",
        f"nothing_was_found: {len(sound.findings)} rows are wrong",
    )


def test_the_command_notifies_of_a_red_check_of_the_data_without_a_sensor(nights) -> None:
    *_, settings = nights
    texts = [notification.message.text for notification in Outbox(settings.state_directory).newest(20)]
    assert any("findings:critical_expectations_are_met" in text for text in texts), texts


def test_what_rests_on_the_broken_table_is_absent(nights) -> None:
    _, broken, _, settings = nights
    assert set(broken.absent) == STOPPED
    assert set(broken.absent.values()) == {"weekly_usage breaks organization_id_and_week_key_are_unique"}
    assert all(Lake(settings.home).stored(TABLES[name], NIGHT) is None for name in STOPPED)


def test_nothing_else_is_stopped(nights) -> None:
    *_, settings = nights
    lake = Lake(settings.home)
    of_sound, of_broken = ({name for name in TABLES if lake.stored(TABLES[name], day)} for day in (SOUND, NIGHT))
    assert of_sound - of_broken == STOPPED
    for name in ("subscription_drift", "dispute_positions"):
        before, after = (lake.require(TABLES[name], day).frame() for day in (SOUND, NIGHT))
        pd.testing.assert_frame_equal(after, before)


def test_the_other_findings_come_out_and_those_of_the_table_stay_as_they_were_before(nights) -> None:
    sound, broken, _, settings = nights
    columns = ["finding_id", "kind", "severity", "units", "usd_cents", "explanation"]
    before, after = (n.findings.sort_values("finding_id")[columns].reset_index(drop=True) for n in (sound, broken))
    pd.testing.assert_frame_equal(after, before)
    assert set(broken.findings["state"]) == {"persisting"}
    kinds = broken.findings.groupby("last_seen")["kind"].agg(set)
    assert kinds[NIGHT] == {"dead_lettered_event"}
    assert "meter_extras_divergence" in kinds[SOUND]
    page = Lake(settings.home).report_path(NIGHT).read_text(encoding="utf-8")
    assert "Not computed: meter_extras_deltas" in page


def test_exactly_the_broken_expectation_is_red_and_what_it_stops_is_not_judged(nights) -> None:
    *_, checks, _ = nights
    red = {name for name, (passed, *_) in checks.items() if not passed}
    assert red == {
        "weekly_usage.critical_expectations_are_met",
        "weekly_usage.expectations_are_met",
        "findings.critical_expectations_are_met",
        "sound_tables.every_rule_can_be_used",
        "dead_lettered_events.no_event_is_dead_lettered",
    }
    _, severity, sentence = checks["weekly_usage.critical_expectations_are_met"]
    assert severity == "ERROR"
    assert sentence.startswith("organization_id_and_week_key_are_unique: 2 of ")
    assert not [name for name in checks if name.partition(".")[0] in STOPPED]
