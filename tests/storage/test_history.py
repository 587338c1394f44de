"""What a night is told of earlier ones, from their stored tables."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from upath import UPath

from billing_dq.storage.acceptances import AcceptanceLog
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.history import (
    documents_of_findings,
    earlier_closed_weeks,
    earlier_than,
    findings_before,
    payments_to_read_again,
)
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import TableWriter
from billing_dq.tables import (
    ACCEPTANCES,
    FINDINGS,
    METER_EXTRAS_DELTAS,
    QUARANTINED_DOCUMENTS,
    QUARANTINED_STRIPE_OBJECTS,
    UNREADABLE_KEYS,
    Table,
)
from billing_dq.weeks import NightWeeks
from tests.support.finding_rows import deltas, quarantined, week
from tests.support.ledger_rows import unreadable
from tests.support.snapshot_facts import snapshot_facts


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def store(lake: Lake, table: Table, night: str, frame: pd.DataFrame) -> None:
    path = UPath(lake.root / table.name / f"{night}.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    with TableWriter(table, path) as writer:
        writer.write(to_arrow(table, table.conform(frame)))


def finding(document: str, last_seen: str, state: str = "persisting") -> dict[str, object]:
    return {
        "finding_id": f"id of {document}",
        "kind": "quarantined_documents",
        "organization_id": None,
        "subject": document,
        "severity": "warning",
        "units": 0.0,
        "usd_cents": 0,
        "cause": None,
        "explanation": "in any words",
        "runbook": "R.md",
        "state": state,
        "first_seen": last_seen,
        "last_seen": last_seen,
        "nights_open": 1,
    }


def test_what_people_accepted_is_known_to_the_next_night(lake: Lake) -> None:
    row = {"finding_id": "f1", "night": "2026-11-20", "accepted": True, "kind": "k", "severity": "error", "units": 1.0}
    row |= {"usd_cents": 0, "by": "anna", "why": "known", "at": pd.Timestamp("2026-11-20T09:00Z")}
    AcceptanceLog(lake.home).append(ACCEPTANCES.from_rows([row]))
    weeks = NightWeeks(datetime(2026, 11, 21, 3, tzinfo=UTC), 3, 6)
    assert earlier_than(lake, "2026-11-21", weeks).acceptances["finding_id"].tolist() == ["f1"]


def known(lake: Lake, *findings: dict[str, object]) -> list[tuple[str, str, str | None]]:
    frame = documents_of_findings(lake, FINDINGS.from_rows(findings))
    rows = frame[["collection", "document_id", "week_key"]].itertuples(index=False, name=None)
    return [(str(name), str(document), week if isinstance(week, str) else None) for name, document, week in rows]


def test_a_bad_documents_collection_and_week_come_from_the_night_that_last_saw_it(lake: Lake) -> None:
    store(lake, QUARANTINED_DOCUMENTS, "2026-11-20", quarantined(("billingusages", "bad", "meterUsed")))
    store(lake, UNREADABLE_KEYS, "2026-11-20", unreadable("billingusages", week="2026-W46"))
    store(lake, QUARANTINED_STRIPE_OBJECTS, "2026-11-21", quarantined(("stripe.disputes", "du_1", "status")))
    store(lake, UNREADABLE_KEYS, "2026-11-21", unreadable())
    findings = [finding("bad", "2026-11-20"), finding("du_1", "2026-11-21")]
    assert known(lake, *findings) == [("billingusages", "bad", "2026-W46"), ("stripe.disputes", "du_1", None)]


def test_a_document_whose_finding_is_resolved_is_not_asked_about(lake: Lake) -> None:
    store(lake, QUARANTINED_DOCUMENTS, "2026-11-20", quarantined(("billingusages", "bad", "meterUsed")))
    store(lake, UNREADABLE_KEYS, "2026-11-20", unreadable())
    assert known(lake, finding("bad", "2026-11-20", "resolved")) == []


def test_a_document_whose_night_is_gone_is_left_out(lake: Lake) -> None:
    assert known(lake, finding("bad", "2026-11-20")) == []


def night_of(lake: Lake, instant: datetime, rows: list[dict[str, object]]) -> NightWeeks:
    """Store the deltas of a night, and when it was taken."""
    night = instant.date().isoformat()
    record = snapshot_facts(instant, weeks_back=1)
    path = record.path(lake.home, night)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(record.model_dump_json())
    store(lake, METER_EXTRAS_DELTAS, night, deltas(*rows))
    return record.weeks


def test_a_closed_week_that_the_night_no_longer_covers_comes_from_the_newest_night_that_does(lake: Lake) -> None:
    monday = datetime(2026, 11, 9, 12, tzinfo=UTC)  # W46; W45 is closed
    night_of(lake, monday, [week("exact", week_key="2026-W45", delta_units=1.0)])
    night_of(lake, monday + timedelta(days=1), [week("exact", week_key="2026-W45", delta_units=2.0)])
    night_of(lake, monday + timedelta(days=7), [week("exact", week_key="2026-W46", delta_units=3.0)])
    tonight = NightWeeks(monday + timedelta(days=8), 1, 6)
    found = earlier_closed_weeks(lake, "2026-11-17", tonight)
    assert found[["week_key", "delta_units"]].to_numpy().tolist() == [["2026-W45", 2.0]]


def test_before_a_first_night_there_is_nothing(lake: Lake) -> None:
    tonight = NightWeeks(datetime(2026, 11, 17, tzinfo=UTC), 3, 6)
    assert findings_before(lake, "2026-11-17") is None
    found = earlier_closed_weeks(lake, "2026-11-17", tonight)
    pd.testing.assert_frame_equal(found, METER_EXTRAS_DELTAS.empty())


def test_open_findings_about_payments_are_read_again_by_id(lake: Lake) -> None:
    rows = [
        finding("ch_1", "2026-11-20") | {"kind": "pack_without_topup"},
        finding("ch_2", "2026-11-20", state="resolved") | {"kind": "pack_without_topup"},
        finding("re_1", "2026-11-20") | {"kind": "refund_failed"},
        finding("document", "2026-11-20"),
    ]
    store(lake, FINDINGS, "2026-11-20", FINDINGS.from_rows(rows))
    assert payments_to_read_again(lake, "2026-11-21") == ["ch_1", "re_1"]
    assert payments_to_read_again(lake, "2026-11-20") == []
