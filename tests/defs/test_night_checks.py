"""When a check of findings is red, and what counts for the exit status and the figures: not what people accepted."""

from datetime import UTC, datetime

import pandas as pd
import pytest

from billing_dq.commands.nightly import at_or_above, red_at_or_above
from billing_dq.defs.checks.night_checks import judge
from billing_dq.report.figures import headlines
from billing_dq.runner import CheckOutcome
from billing_dq.settings import Settings
from billing_dq.storage.records import SnapshotFactsRecord, SoundTablesRecord, StripeReadingRecord
from billing_dq.tables import FINDINGS, METER_EXTRAS_DELTAS


def findings(*rows: tuple[str, str | None]) -> pd.DataFrame:
    """Severity and who accepted it, of violations."""
    common = {"kind": "ledger_violation", "subject": "e1", "units": -10.0, "usd_cents": -1, "explanation": "because"}
    common |= {"runbook": "R.md", "state": "new", "first_seen": "n", "last_seen": "n", "nights_open": 1}
    return FINDINGS.from_rows(
        {**common, "finding_id": f"f{number}", "severity": severity, "accepted_by": by}
        for number, (severity, by) in enumerate(rows)
    )


@pytest.mark.parametrize(
    ("rows", "passed", "sentence"),
    [
        ([], True, "Nothing needs anybody."),
        ([("warning", None)], True, "Nothing needs anybody; 1 below error."),
        (
            [("error", None), ("critical", "anna")],
            False,
            "1 finding needs somebody, 1 of them new: $0.00 is owed to us and $0.01 to customers. First: e1: because",
        ),
        ([("error", "anna"), ("warning", None)], True, "Nothing needs anybody; 1 below error; 1 accepted."),
    ],
)
def test_a_check_is_red_where_a_finding_of_error_or_above_is_not_accepted(
    rows: list[tuple[str, str | None]], passed: bool, sentence: str
) -> None:
    sound = SoundTablesRecord(broken={})
    result = judge("every_ledger_is_sound", findings(*rows), sound, Settings())
    assert (result.passed, result.description) == (passed, sentence)


def test_the_exit_status_passes_over_what_is_accepted() -> None:
    open_ones = findings(("critical", "anna"), ("warning", None))
    assert at_or_above(open_ones, "error") == 0
    assert at_or_above(open_ones, "warning") == 1
    assert at_or_above(findings(), "info") == 0


@pytest.mark.parametrize(
    ("name", "severity", "counted_from"),
    [
        ("usage_has_its_usual_size", "ERROR", "error"),
        ("expectations_are_met", "WARN", "warning"),
        ("no_week_diverges", "ERROR", None),  # its findings are counted
        ("every_alert_was_delivered", "ERROR", None),  # it is about no data
    ],
)
def test_a_red_check_of_the_data_counts_for_the_exit_status(name: str, severity: str, counted_from: str | None) -> None:
    checks = [CheckOutcome("an_asset", name, passed, severity, "because") for passed in (True, False)]
    counting = [least for least in ("warning", "error", "critical") if red_at_or_above(checks, least)]
    assert counting == ([] if counted_from is None else ["warning", "error"][: 1 + (counted_from == "error")])


def test_an_accepted_finding_is_a_figure_of_its_own() -> None:
    snapshot = SnapshotFactsRecord.model_construct(
        as_of=datetime(2026, 11, 21, tzinfo=UTC), counts={}, weeks_back=3, settling_hours=6.0
    )
    stripe = StripeReadingRecord.model_construct(state="not_run", requests={})
    open_findings = findings(("error", "anna"), ("error", None), ("warning", None))
    report = headlines(snapshot, stripe, {}, METER_EXTRAS_DELTAS.empty(), open_findings, 0).set_index("name")["value"]
    figures = {name: report[f"findings.{name}"] for name in ("error", "warning", "accepted", "new")}
    assert figures == {"error": 1, "warning": 1, "accepted": 1, "new": 3}
