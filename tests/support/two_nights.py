"""Two stored nights of one purchase, written straight into the lake: read by what looks at many nights."""

from datetime import UTC, datetime
from pathlib import Path

from billing_dq.storage.records import CollectionCounts, StripeReadingRecord
from billing_dq.tables import TABLES
from tests.support.snapshot_facts import snapshot_facts
from tests.support.stored_nights import store, store_record

NIGHTS = ("2026-11-21", "2026-11-22")
ORG, OTHER = "6aba68021f1483412b0fa60e", "6abacb0080716ff21f7995bc"
ENTRY, KEY = "6ae24a6ff9c10e4a444e914d", "6ad6ce07321cebe67f654e41:initial"
PAID = datetime(2026, 11, 3, 9, 30, tzinfo=UTC)


def store_two_nights(home: Path) -> None:
    """The charge, its dispute and its ledger; a finding that is resolved, one that persists, one that is new."""
    for number, night in enumerate(NIGHTS):
        as_of = datetime.fromisoformat(f"{night}T03:10:00Z")
        for name, rows in _tables(number == 1).items():
            blank = {column.name: None for column in TABLES[name].columns}
            store(home, name, night, TABLES[name].from_rows({**blank, **row} for row in rows))
        counts = {"organizations": CollectionCounts(counted=2, read=2, quarantined=0, out_of_scope=0)}
        store_record(home, snapshot_facts(as_of, counts=counts), night)
        record = StripeReadingRecord(state="read", reason="", livemode=True, requests={}, invoices_not_read=())
        store_record(home, record, night)


def _tables(is_second: bool) -> dict[str, list[dict[str, object]]]:
    entries = [
        _entry(0, ENTRY, "topup", 5_000.0, PAID, stripe_session_id="cs_live_1"),
        _entry(1, "6ae24a6ff9c10e4a444e9150", "debit", -100.0, PAID.replace(day=4), ref_id=KEY),
        _entry(
            2,
            "6ae24a6ff9c10e4a444e9151",
            "refund",
            -5_000.0,
            PAID.replace(day=9),
            ref_id=f"refund-dispute_du_1-{ENTRY}",
        ),
    ]
    findings = [
        _finding("f1", "resolved" if is_second else "new", "2026-W45", units=120.0, usd_cents=12),
        _finding(
            "f2",
            "persisting" if is_second else "new",
            "ch_1",
            usd_cents=-500,
            kind="pack_without_topup",
            severity="critical",
        ),
    ]
    if is_second:
        findings.append(_finding("f3", "new", "2026-W46", organization=OTHER, units=-40.0, usd_cents=-4))
    return {
        "findings": findings,
        "nightly_report": [{"name": "findings.new", "value": 1.0 if is_second else 2.0, "unit": "findings"}],
        "meter_extras_deltas": [],
        "organizations": [{"organization_id": one, "plan": "free"} for one in (ORG, OTHER)],
        "weekly_usage": [
            {
                "organization_id": ORG,
                "week_key": "2026-W45",
                "meter_used": 100.0,
                "meter_quota": 0.0,
                "attribution_keys": [KEY],
            }
        ],
        "ledger_entries": entries,
        "pack_purchases": [
            {name: entries[0][name] for name in ("organization_id", "entry_id", "stripe_session_id", "amount", "at")}
        ],
        "stripe_charges": [
            {
                "charge_id": "ch_1",
                "organization_id": ORG,
                "stripe_session_id": "cs_live_1",
                "pack_id": "pack_s",
                "amount_minor": 500,
                "captured_minor": 500,
                "refunded_minor": 0,
                "currency": "usd",
                "status": "succeeded",
                "disputed": True,
                "created": PAID,
                "livemode": True,
            }
        ],
        "stripe_disputes": [
            {
                "dispute_id": "du_1",
                "charge_id": "ch_1",
                "status": "under_review",
                "amount_minor": 500,
                "currency": "usd",
                "created": PAID.replace(day=9),
                "movements": [
                    {
                        "amount_minor": -500,
                        "currency": "usd",
                        "exchange_rate": None,
                        "reporting_category": "dispute",
                        "created": PAID.replace(day=9, hour=10),
                    }
                ],
                "livemode": True,
            }
        ],
    }


def _entry(position: int, entry_id: str, kind: str, amount: float, at: datetime, **more: str) -> dict[str, object]:
    row: dict[str, object] = {"position": position, "entry_id": entry_id, "kind": kind, "amount": amount, "at": at}
    return {"organization_id": ORG, **row, **more}


def _finding(finding_id: str, state: str, subject: str, organization: str = ORG, **more: object) -> dict[str, object]:
    row: dict[str, object] = {
        "finding_id": finding_id,
        "kind": "meter_extras_divergence",
        "organization_id": organization,
        "subject": subject,
        "severity": "error",
        "units": 0.0,
        "usd_cents": 0,
        "explanation": "because",
        "runbook": "RUNBOOKS.md#x",
        "state": state,
        "first_seen": NIGHTS[0] if state != "new" else NIGHTS[-1],
        "last_seen": NIGHTS[-1],
        "nights_open": 1,
    }
    return {**row, **more}
