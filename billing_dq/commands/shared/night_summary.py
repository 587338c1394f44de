"""A night's summary for people (tables on a terminal, plain lines elsewhere) and for programs."""

from collections.abc import Sequence

from rich.console import Console

from billing_dq.commands.shared.console import print_line, print_rows
from billing_dq.reconcile.findings.incidents import INCIDENT_COLUMNS
from billing_dq.reconcile.findings.severity import SEVERITIES
from billing_dq.reconcile.findings.standing import is_accepted, is_open
from billing_dq.reconcile.followed_weeks import in_window
from billing_dq.report.figures import (
    Plain,
    deltas_summary,
    findings_by_kind,
    rows_of,
    worst_findings,
    worst_weeks,
)
from billing_dq.runner import StoredNight
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake

_SHOWN = 10


def as_data(result: StoredNight, settings: Settings) -> dict[str, object]:
    """The night as one JSON-safe mapping."""
    findings = result.open_findings
    to_act_on = findings[~is_accepted(findings)]
    return {
        "night": result.night,
        "as_of": result.snapshot.as_of.isoformat(),
        "weeks": list(result.snapshot.weeks.keys),
        "run_id": result.run_id,
        "state": "incomplete" if result.snapshot.incomplete_because else "complete",
        "snapshot": result.snapshot.model_dump(mode="json"),
        "stripe": result.stripe.model_dump(mode="json"),
        "not_computed": dict(result.absent),
        "meter": deltas_summary(in_window(result.deltas, result.snapshot.weeks)),
        "worst_weeks": worst_weeks(result.deltas),
        "incidents": rows_of(result.incidents, INCIDENT_COLUMNS),
        "findings_by_kind": findings_by_kind(findings),
        "findings_by_severity": {name: int((to_act_on["severity"] == name).sum()) for name in reversed(SEVERITIES)},
        "accepted": len(findings) - len(to_act_on),
        "resolved": int((~is_open(result.findings)).sum()),
        "worst_findings": worst_findings(findings),
        "checks": [
            {"asset": c.asset, "name": c.name, "passed": c.passed, "severity": c.severity, "said": c.sentence}
            for c in result.checks
        ],
        "report": {str(row["name"]): row["value"] for row in result.report.to_dict("records")},
        "page": str(Lake(settings.home).report_path(result.night)),
        "lake": str(Lake(settings.home).root),
    }


def show(result: StoredNight, settings: Settings, console: Console) -> None:
    """Print the summary."""
    snapshot, findings = result.snapshot, result.open_findings
    console.print(f"Night of {result.night}, as of {snapshot.as_of:%Y-%m-%d %H:%M:%S} UTC", style="bold")
    consistency = "one snapshot" if snapshot.one_snapshot else f"read plainly: {snapshot.read_plainly_because}"
    print_line(console, f"MongoDB {snapshot.server_version} ({snapshot.topology}), {consistency}; {_stripe(result)}")
    shares = ", ".join(f"{share:.1%} of {name}" for name, share in snapshot.examined.items())
    print_line(console, f"Examined: {shares or 'nothing'}")
    if snapshot.incomplete_because:
        print_line(console, f"INCOMPLETE: {snapshot.incomplete_because}")
    for name, reason in result.absent.items():
        print_line(console, f"NOT COMPUTED: {name}: {reason}")
    if snapshot.missing_collections:
        print_line(console, f"Missing collections: {', '.join(snapshot.missing_collections)}")
    _table(
        console,
        "Read",
        ("collection", "counted", "read", "quarantined", "out of scope"),
        [(name, c.counted, c.read, c.quarantined, c.out_of_scope) for name, c in snapshot.counts.items()],
    )
    _meter(console, result)
    _table(
        console,
        "Incidents: debits that many organizations lost in the same minutes",
        ("steps begun from", "to", "organizations", "units"),
        [
            (row["started"], row["ended"], row["organizations"], row["units"])
            for row in rows_of(result.incidents, INCIDENT_COLUMNS)
        ],
    )
    _table(
        console,
        f"Findings: {len(findings):,} open, {int((~is_open(result.findings)).sum()):,} resolved tonight",
        ("severity", "kind", "findings", "units", "USD"),
        [
            (row["severity"], row["kind"], row["findings"], row["units"], _usd(row["usd_cents"]))
            for row in findings_by_kind(findings)
        ],
    )
    urgent = findings[(findings["severity"] != "info") & ~is_accepted(findings)]
    _table(
        console,
        "Worst findings",
        ("severity", "kind", "organization", "subject", "why"),
        [
            (row["severity"], row["kind"], row["organization_id"], row["subject"], row["explanation"])
            for row in worst_findings(urgent, _SHOWN)
        ],
    )
    _checks(console, result)
    print_line(console, f"Report: {Lake(settings.home).report_path(result.night)}")
    print_line(console, f"Tables: {Lake(settings.home).root}/<asset>/{result.night}.parquet")
    print_line(
        console, "More: billing-dq findings | explain ORGANIZATION WEEK | dispute ID; `dagster dev` shows the history"
    )


def _stripe(result: StoredNight) -> str:
    if result.stripe.state == "read":
        return f"Stripe read with {sum(result.stripe.requests.values()):,} requests"
    if result.stripe.state == "failed":
        return f"Stripe FAILED: {result.stripe.reason}"
    return f"Stripe not run: {result.stripe.reason}"


def _meter(console: Console, result: StoredNight) -> None:
    of_night = in_window(result.deltas, result.snapshot.weeks)
    summary, followed = deltas_summary(of_night), len(result.deltas) - len(of_night)
    grades = ", ".join(
        f"{value:,} {name.removeprefix('grade_').replace('_', ' ')}"
        for name, value in summary.items()
        if name.startswith("grade_")
    )
    print_line(
        console,
        f"Meter against extras: {summary['organization_weeks']:,} weeks of {summary['organizations']:,} organizations; "
        f"{summary['diverged']:,} diverge ({grades})"
        + (f"; {followed:,} older weeks with an open finding looked at again" if followed else ""),
    )
    _table(
        console,
        "Worst divergences",
        ("organization", "week", "units", "grade", "why"),
        [
            (row["organization_id"], row["week_key"], row["delta_units"], row["grade"], row["explanation"])
            for row in worst_weeks(result.deltas, _SHOWN)
        ],
    )


def _checks(console: Console, result: StoredNight) -> None:
    red = [check for check in result.checks if not check.passed]
    print_line(console, f"Checks: {len(result.checks) - len(red)} green, {len(red)} red")
    _table(console, "Red checks", ("check", "on", "said"), [(check.name, check.asset, check.sentence) for check in red])


def _table(console: Console, title: str, columns: Sequence[str], rows: Sequence[Sequence[Plain]]) -> None:
    if rows and not console.is_terminal:
        print_line(console, f"{title}:")
    if rows:
        print_rows(console, title, columns, rows)


def _usd(cents: Plain) -> str:
    return f"{float(cents or 0) / 100:,.2f}"
