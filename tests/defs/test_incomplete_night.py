"""A night whose budget for MongoDB ends early: it is stored and told as incomplete, never green and never wrong."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from billing_dq.cli import main
from billing_dq.commands import nightly
from billing_dq.defs.checks.night_checks import sums_up_the_night
from billing_dq.errors import SourceError
from billing_dq.report.night import read_night
from billing_dq.report.words import summary
from billing_dq.runner import StoredNight, run_night, stored_night
from billing_dq.settings import Settings
from billing_dq.sources.mongodb import reader as reading
from billing_dq.sources.mongodb.politeness import BudgetSpent
from billing_dq.sources.mongodb.reader import Reader
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import NightManifest
from billing_dq.tables import LEDGER_ENTRIES, WEEKLY_USAGE
from tests.support.sample_night import SampleNight
from tests.support.worlds import SAMPLE_AS_OF


@pytest.fixture(scope="module")
def sample(sample_night: SampleNight, tmp_path_factory: pytest.TempPathFactory) -> SampleNight:
    """The sample's whole night in a home of this module, and settings that read in small replies."""
    sample = sample_night.copied_to(tmp_path_factory.mktemp("home"))
    return replace(sample, settings=sample.settings.model_copy(update={"mongodb_reply_documents": 10}))


@pytest.fixture(scope="module")
def settings(sample: SampleNight) -> Settings:
    return sample.settings


@pytest.fixture(scope="module")
def instance(sample: SampleNight) -> dg.DagsterInstance:
    return sample.instance


@pytest.fixture(scope="module")
def nights(sample: SampleNight) -> tuple[StoredNight, StoredNight]:
    """A whole night, and the next, whose budget ends after two replies of balances."""
    with pytest.MonkeyPatch.context() as patch:
        replies = Reader._replies

        def two_of_balances(self: Reader, cursor: object) -> Iterator[bytes]:
            of_balances = cursor.collection.name == "billingextrabalances"  # pyright: ignore
            for number, reply in enumerate(replies(self, cursor)):  # pyright: ignore
                if of_balances and number == 2:
                    raise BudgetSpent
                yield reply

        patch.setattr(Reader, "_replies", two_of_balances)
        patch.setattr(reading, "PIECE_BYTES", 1)
        return sample.result, run_night(sample.settings, sample.instance, SAMPLE_AS_OF + timedelta(days=1))


def test_the_night_says_that_it_is_incomplete_and_until_where_it_came(
    settings: Settings, nights: tuple[StoredNight, StoredNight]
) -> None:
    snapshot = nights[1].snapshot
    assert snapshot.not_read == ("billingextrabalances", "processedstripeevents")
    assert snapshot.whole_until
    manifest = NightManifest.of(Lake(settings.home), nights[1].night)
    assert manifest is not None
    assert manifest.state == "incomplete"
    headline = summary(read_night(settings, nights[1].night))
    assert headline.verdict == "The night is incomplete."
    assert f"up to {snapshot.whole_until}" in headline.sentence
    assert dict(zip(nights[1].report["name"], nights[1].report["value"], strict=True))["mongodb.read"] == 0.0


def test_only_organizations_all_of_which_was_read_are_examined(
    settings: Settings, nights: tuple[StoredNight, StoredNight]
) -> None:
    first, second = nights
    lake, until = Lake(settings.home), str(second.snapshot.whole_until)
    for table in (WEEKLY_USAGE, LEDGER_ENTRIES):
        before = lake.require(table, first.night).frame(["organization_id"])["organization_id"]
        after = lake.require(table, second.night).frame(["organization_id"])["organization_id"]
        assert after.max() <= until < before.max()
        assert set(after) == {organization for organization in before if organization <= until}
    expected = first.deltas[first.deltas["organization_id"] <= until]
    assert len(second.deltas) == len(expected) > 0


def test_nothing_is_resolved_and_nothing_false_is_found(nights: tuple[StoredNight, StoredNight]) -> None:
    first, second = nights
    assert set(second.findings["finding_id"]) == set(first.findings["finding_id"])
    assert set(second.findings["state"]) == {"persisting"}
    examined = second.findings["organization_id"] <= str(second.snapshot.whole_until)
    assert set(second.findings.loc[~examined, "last_seen"]) == {first.night}


def test_one_check_is_red_with_the_reason_and_those_of_findings_are_not_run(
    nights: tuple[StoredNight, StoredNight],
) -> None:
    sentences = {check.name: check.sentence for check in nights[1].checks if not check.passed}
    reason = "the night is incomplete: mongodb_budget_seconds ended before"
    assert [name for name, text in sentences.items() if reason in text] == ["every_document_was_read_or_quarantined"]
    assert set(sentences) == {
        "every_document_was_read_or_quarantined",
        "stripe_was_read",
        "every_reinstated_dispute_is_credited",
    }
    checks = {check.name: check for check in nights[1].checks}
    assert [name for name in checks if sums_up_the_night(name)] == ["stripe_was_read"]
    for name in ("usage_has_its_usual_size", "documents_keep_their_shape"):
        assert checks[name].sentence == "not judged: the night is incomplete"


def test_the_night_after_it_is_right_again(
    settings: Settings, instance: dg.DagsterInstance, nights: tuple[StoredNight, StoredNight]
) -> None:
    third = run_night(settings, instance, SAMPLE_AS_OF + timedelta(days=2))
    assert not third.snapshot.incomplete_because
    assert third.deltas["organization_id"].max() > str(nights[1].snapshot.whole_until)
    assert set(third.findings["state"]) == {"persisting"}


def test_a_budget_that_is_spent_at_once_leaves_a_night_that_examined_no_organization_and_the_command_ends_with_2(
    settings: Settings,
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    hasty = settings.model_copy(update={"home": str(tmp_path), "mongodb_budget_seconds": 1e-9})
    monkeypatch.setattr(nightly, "load_settings", lambda: hasty)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    monkeypatch.setattr(sys, "argv", ["billing-dq", "nightly", "--as-of", SAMPLE_AS_OF.isoformat()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(
        "billing-dq: the night is incomplete: mongodb_budget_seconds ended before all of organizations"
    )
    night = stored_night(hasty, SAMPLE_AS_OF.date().isoformat())
    assert night.snapshot.not_read[0] == "organizations"
    assert night.snapshot.whole_until == ""
    assert night.deltas.empty
    assert night.findings.empty
    with pytest.raises(SourceError, match="--again"):
        run_night(hasty, instance, SAMPLE_AS_OF)
