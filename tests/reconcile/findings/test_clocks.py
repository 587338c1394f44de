"""One clock that writes local time is one finding; a single entry of the future is told by itself."""

from datetime import timedelta

import pandas as pd

from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.reconcile.findings.night_findings import plain_findings
from billing_dq.tables import LEDGER_SUSPECTS
from tests.support.finding_rows import violation, violations
from tests.support.ledger_rows import AS_OF, NIGHT, ORG


def found(*hours: float) -> pd.DataFrame:
    """The findings of a night whose entries are so many hours ahead."""
    columns = dict.fromkeys(LEDGER_SUSPECTS.column_names)
    suspects = LEDGER_SUSPECTS.from_rows(
        columns
        | {
            "organization_id": ORG,
            "position": place,
            "entry_id": f"e{place}",
            "kind": "debit",
            "amount": -100.0,
            "at": AS_OF + timedelta(hours=ahead),
        }
        for place, ahead in enumerate(hours)
    )
    rows = violations(*(violation("future_entry", f"e{place}") for place in range(len(hours))))
    return plain_findings(FindingInputs(violations=rows, suspects=suspects), NIGHT, 1000.0, "R.md")


def test_entries_ahead_by_a_time_zone_are_one_finding_with_their_number() -> None:
    row = found(6.0, 7.0, 8.0).iloc[0]
    assert (row["subject"], row["severity"], row["cause"], row["usd_cents"]) == ("clock", "error", "future_entry", 0)
    assert row["explanation"].startswith("3 entries of 1 organizations")
    assert len(found(6.0, 7.0, 8.0)) == 1


def test_two_entries_ahead_are_told_one_by_one() -> None:
    assert found(6.0, 7.0)["subject"].tolist() != ["clock"]
    assert len(found(6.0, 7.0)) == 2


def test_an_entry_of_next_month_is_of_no_clock() -> None:
    assert set(found(6.0, 7.0, 8.0, 700.0)["subject"]) == {"clock", "e3"}
