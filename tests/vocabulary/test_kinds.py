"""Each kind of finding is said once, and everything that a kind needs is there."""

from pathlib import Path
from typing import get_args

import pytest

from billing_dq.defs.checks.credit_checks import CREDITED
from billing_dq.defs.checks.night_checks import FINDING_CHECKS, STRIPE_CHECKS
from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.vocabulary.kinds import KINDS, Result, kinds_of_check, kinds_of_result

RUNBOOKS = (Path(__file__).parents[2] / "RUNBOOKS.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_has_a_section_in_the_runbooks(name: str) -> None:
    headings = {line[3:].lower().replace(" ", "-") for line in RUNBOOKS.splitlines() if line.startswith("## ")}
    assert KINDS[name].runbook in headings


def test_every_kind_is_judged_by_a_check_that_exists() -> None:
    checks = {*STRIPE_CHECKS, *(name for checks in FINDING_CHECKS.values() for name in checks)}
    assert {kind.check for kind in KINDS.values()} == checks | {CREDITED, "every_document_was_read_or_quarantined"}
    assert all(kinds_of_check(check) for check in checks)


def test_every_result_is_a_table_that_the_findings_are_made_of() -> None:
    assert set(get_args(Result)) <= set(FindingInputs.__dataclass_fields__)
    assert {kind.result for kind in KINDS.values()} == set(get_args(Result))


def test_kinds_are_found_by_check_and_by_result() -> None:
    assert kinds_of_check("every_invoice_marker_is_current") == ("invoice_marker_lag",)
    assert kinds_of_result("runaway") == {"runaway_balance"}
