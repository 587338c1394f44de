"""A night for its report: hostile text everywhere, every verdict, and as many findings as a test wants."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pandas as pd

from billing_dq.reconcile.findings.standing import verdicts
from billing_dq.report.evidence.build import Night, evidence_of
from billing_dq.report.evidence.frames import NightFrames
from billing_dq.report.evidence.record import Evidence
from billing_dq.report.night import ReportNight
from billing_dq.report.runbook import runbook_text
from billing_dq.report.verdicts import in_order_of_work
from billing_dq.storage.records import CollectionCounts, StripeReadingRecord
from billing_dq.tables import FINDINGS, LEDGER_ENTRIES, METER_EXTRAS_EVIDENCE, SUBSCRIPTIONS, WEEKLY_USAGE
from tests.support.finding_rows import deltas, week
from tests.support.pure_night import sample_settings
from tests.support.snapshot_facts import snapshot_facts

NIGHT, BEFORE = "2026-11-21", "2026-11-20"
AS_OF = datetime(2026, 11, 21, 2, 15, tzinfo=UTC)
HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def finding(number: int, **more: object) -> dict[str, object]:
    """An error about a week, new tonight, over a dollar owed to us, unless told."""
    return {
        "finding_id": f"{number:016x}",
        "kind": "meter_extras_divergence",
        "organization_id": f"{number:024x}",
        "subject": "2026-W45",
        "severity": "error",
        "units": 1000.0,
        "usd_cents": 100,
        "same_money_as": None,
        "verdict": None,
        "cause": "missing_debit",
        "explanation": "1,000 units were not debited",
        "runbook": "RUNBOOKS.md#meter-extras-divergence",
        "broken_since": None,
        "state": "new",
        "first_seen": NIGHT,
        "last_seen": NIGHT,
        "nights_open": 1,
        "accepted_by": None,
        "accepted_why": None,
        "accepted_until": None,
        **more,
    }


def findings(*rows: dict[str, object]) -> pd.DataFrame:
    return FINDINGS.from_rows(rows)


def old(number: int, **more: object) -> dict[str, object]:
    """A finding that was there on the night before."""
    return finding(number, state="persisting", first_seen=BEFORE, nights_open=2, **more)


def typical() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Findings of tonight and of the night before: one of each verdict and change."""
    tonight = findings(
        finding(1),
        old(2, units=-500.0, usd_cents=-50),
        old(3, units=3000.0, usd_cents=300),
        finding(4, severity="warning", units=200.0, usd_cents=20, verdict="undecided"),
        finding(5, severity="info", units=70.0, usd_cents=7),
        old(6, accepted_by="ann", accepted_why="written off", units=9000.0, usd_cents=900),
        finding(7, state="resolved", first_seen=BEFORE, last_seen=BEFORE, nights_open=1),
        finding(8, state="reopened", first_seen="2026-11-01", nights_open=4),
        finding(9, state="persisting", first_seen=BEFORE, last_seen=BEFORE, nights_open=2),
    )
    before = findings(
        finding(2, units=-500.0, usd_cents=-50), finding(3), finding(6, units=9000.0, usd_cents=900), finding(9)
    )
    return tonight, before


def night(
    tonight: pd.DataFrame | None = None,
    previous: pd.DataFrame | None = None,
    stripe: str = "read",
    evidence: Sequence[Evidence] | None = None,
) -> ReportNight:
    """A night with the findings of `typical`, or with those given; the week of finding 4 is undecided."""
    if tonight is None:
        tonight, previous = typical()
    rows = deltas(
        week("exact", organization_id="f" * 24, delta_units=0.0, diverged=False),
        week("within_tolerance", organization_id="e" * 24, delta_units=10.0, diverged=False),
        week("unexplained", organization_id=f"{1:024x}", delta_units=1000.0, unexplained_units=1000.0),
        week("undecided", organization_id=f"{4:024x}", delta_units=200.0, unexplained_units=200.0, diverged=True),
        week("explained", organization_id=f"{5:024x}", delta_units=70.0, explained_units=70.0),
        week("unreadable", organization_id="d" * 24),
        week("unexplained", organization_id=HOSTILE, delta_units=-900.0, unexplained_units=-900.0),
    )
    ordered = in_order_of_work(tonight, verdicts(tonight))
    return ReportNight(
        night=NIGHT,
        snapshot=snapshot_facts(
            AS_OF, counts={"billingusages": CollectionCounts(counted=10, read=9, quarantined=1, out_of_scope=0)}
        ),
        stripe=StripeReadingRecord(
            state=stripe,  # type: ignore[arg-type]
            reason="" if stripe == "read" else HOSTILE,
            livemode=True,
            requests={"disputes": 3},
            invoices_not_read=(),
        ),
        deltas=rows,
        evidence=_evidence(),
        findings=ordered,
        verdict=verdicts(ordered),
        previous=previous,
        history=_history(),
        evidence_of_first=[told(finding(1))] if evidence is None else evidence,
        runbook=runbook_text(),
        audit=f"7:{'ab' * 32}",
        credits_mode="propose",
        is_measured=True,
        absent={},
    )


def told(row: dict[str, object], text: str = "step-key") -> Evidence:
    """The evidence of a finding about a week, with a text wherever text of data may stand."""
    organization, week_key = str(row["organization_id"]), str(row["subject"])
    of_week = {"organization_id": organization, "week_key": week_key}
    frames = {
        "meter_extras_deltas": deltas(week("unexplained", **of_week, expected_units=10.0, meter_used=10.0)),
        "weekly_usage": WEEKLY_USAGE.from_rows(
            [{**of_week, "meter_used": 10.0, "meter_quota": 0.0, "settled_units": 0.0, "attribution_keys": [text]}]
        ),
        "ledger_entries": LEDGER_ENTRIES.from_rows(
            [
                {"organization_id": organization, "position": 0, "entry_id": "entry-1", "kind": text, "amount": -10.0}
                | {"ref_id": text, "at": AS_OF}
            ]
        ),
        "subscriptions": SUBSCRIPTIONS.from_rows(
            [{"organization_id": organization, "stripe_customer_id": text, "stripe_subscription_id": text}]
        ),
    }
    stored = Night(NightFrames(NIGHT, frames, absent=(text,)), [], {})
    return evidence_of(row, stored, sample_settings(home="unused"))  # type: ignore[arg-type]


def _evidence() -> pd.DataFrame:
    pieces = [("missing_debit", 1000.0), ("duplicate_debit", -900.0), (HOSTILE, 5.0)]
    return METER_EXTRAS_EVIDENCE.from_rows(
        {
            "organization_id": f"{1:024x}",
            "week_key": "2026-W45",
            "cause": cause,
            "rule": "certain_gap",
            "confidence": "proved",
            "ref_id": None,
            "entry_id": None,
            "units": units,
        }
        for cause, units in pieces
    )


def _history() -> pd.DataFrame:
    sides = ("units_to_us", "units_to_customers", "cents_to_us", "cents_to_customers")
    return pd.DataFrame(
        [
            {"night": one, "name": f"open.{verdict}.{side}", "value": float(place)}
            for place, one in enumerate((BEFORE, NIGHT))
            for verdict in ("unexplained", "undecided", "by_design")
            for side in sides
        ]
    )
