"""What a night says to people: numbers and tables. Everything here is plain Python, safe as JSON.

No Dagster: its metadata, the command and the tests all take their figures from here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import pandas as pd

from billing_dq.reconcile.findings.severity import SEVERITIES, rank
from billing_dq.reconcile.findings.shared_money import owed_units
from billing_dq.reconcile.findings.standing import is_accepted, verdicts
from billing_dq.reconcile.followed_weeks import in_window
from billing_dq.report.verdicts import sums
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import NIGHTLY_REPORT

Plain = str | int | float | bool | None
WORST = 20


def plain(value: object) -> Plain:
    """A cell as plain Python: numpy numbers unpacked, missing values as None, times as ISO text."""
    if isinstance(value, (list, tuple, dict)):
        return str(value)
    if value is None or value is pd.NA or value is pd.NaT or value != value:  # NaN is unlike itself
        return None
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    item = getattr(value, "item", None)
    value = item() if callable(item) else value
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def rows_of(frame: pd.DataFrame, columns: Sequence[str]) -> list[dict[str, Plain]]:
    """The rows of a frame as plain mappings."""
    return [{name: plain(row[name]) for name in columns} for row in frame[list(columns)].to_dict("records")]


def worst(frame: pd.DataFrame, by: str, columns: Sequence[str], count: int = WORST) -> list[dict[str, Plain]]:
    """The rows with the largest absolute value in a column, largest first; the columns' order breaks ties."""
    order = frame.assign(_size=frame[by].abs()).sort_values(["_size", *columns[:2]], ascending=[False, True, True])
    return rows_of(order.head(count), columns)


def deltas_summary(deltas: pd.DataFrame) -> dict[str, Plain]:
    """Counts of `METER_EXTRAS_DELTAS` by grade, and the diverged units each way."""
    diverged = deltas[deltas["diverged"].fillna(False)]
    return {
        "organizations": int(deltas["organization_id"].nunique()),
        "organization_weeks": len(deltas),
        "diverged": len(diverged),
        **{f"grade_{grade}": int(count) for grade, count in deltas["grade"].value_counts().sort_index().items()},
        "undercharged_units": float(diverged["delta_units"].clip(lower=0).sum()),
        "overcharged_units": float(-diverged["delta_units"].clip(upper=0).sum()),
        "expected_units": float(deltas["expected_units"].sum()),
        "actual_units": float(deltas["actual_units"].sum()),
    }


def worst_weeks(deltas: pd.DataFrame, count: int = WORST) -> list[dict[str, Plain]]:
    """The diverged organization-weeks with the largest difference; what has no explanation by design goes first."""
    diverged = deltas[deltas["diverged"].fillna(False)]
    columns = ("organization_id", "week_key", "week_state", "delta_units", "grade", "cause", "explanation")
    defects = diverged[diverged["grade"] == "unexplained"]
    rows = worst(defects, "delta_units", columns, count)
    return rows + worst(diverged.drop(defects.index), "delta_units", columns, count - len(rows))


def findings_by_kind(findings: pd.DataFrame) -> list[dict[str, Plain]]:
    """Open findings counted by kind and severity, worst first: kind, severity, findings, units, usd_cents."""
    if findings.empty:
        return []
    grouped = (
        findings.assign(units=owed_units(findings))
        .groupby(["severity", "kind"], as_index=False)
        .agg(findings=("finding_id", "size"), units=("units", "sum"), usd_cents=("usd_cents", "sum"))
    )
    severe = rank(grouped["severity"])
    order = grouped.assign(_rank=severe).sort_values(["_rank", "findings", "kind"], ascending=[False, False, True])
    return rows_of(order, ("severity", "kind", "findings", "units", "usd_cents"))


def worst_findings(findings: pd.DataFrame, count: int = WORST) -> list[dict[str, Plain]]:
    """The findings that matter most: by severity, then by money."""
    severe = -rank(findings["severity"])
    order = findings.assign(_rank=severe, _money=-findings["usd_cents"].abs(), _units=-findings["units"].abs())
    order = order.sort_values(["_rank", "_money", "_units", "finding_id"]).head(count)
    return rows_of(
        order, ("severity", "kind", "organization_id", "subject", "units", "usd_cents", "state", "explanation")
    )


def headlines(
    snapshot: SnapshotFactsRecord,
    stripe: StripeReadingRecord,
    rows: Mapping[str, int],
    deltas: pd.DataFrame,
    open_findings: pd.DataFrame,
    resolved: int,
) -> pd.DataFrame:
    """The headline figures of a night, as `NIGHTLY_REPORT`.

    Args:
        snapshot: how MongoDB was read; its counts become figures of each collection.
        stripe: whether Stripe was read.
        rows: rows of the night's other tables, by table name.
        deltas: `METER_EXTRAS_DELTAS`; the figures are of the night's own weeks.
        open_findings: `FINDINGS` that this night itself saw; accepted ones count as such, under no severity.
        resolved: number of findings that this night resolved.
    """
    figures: list[tuple[str, float, str]] = []
    for collection, counts in snapshot.counts.items():
        figures.append((f"{collection}.counted", counts.counted, "documents"))
        figures.append((f"{collection}.quarantined", counts.quarantined, "documents"))
    figures.append(("mongodb.read", float(not snapshot.incomplete_because), "yes or no"))
    figures += [(f"{collection}.examined", share, "share") for collection, share in snapshot.examined.items()]
    figures.append(("stripe.read", float(stripe.state == "read"), "yes or no"))
    figures += [(f"stripe.requests.{resource}", count, "requests") for resource, count in stripe.requests.items()]
    figures += [(f"stripe.not_read.{resource}", count, "objects") for resource, count in stripe.not_read.items()]
    figures += [(f"rows.{table}", count, "rows") for table, count in rows.items()]
    for name, value in deltas_summary(in_window(deltas, snapshot.weeks)).items():
        unit = "units" if name.endswith("_units") else "organizations" if name == "organizations" else "weeks"
        figures.append((f"meter.{name}", float(value or 0), unit))
    accepted = is_accepted(open_findings)
    to_act_on = open_findings.loc[~accepted, "severity"]
    figures += [(f"findings.{name}", float((to_act_on == name).sum()), "findings") for name in reversed(SEVERITIES)]
    figures.append(("findings.accepted", float(accepted.sum()), "findings"))
    for state in ("new", "persisting", "reopened"):
        figures.append((f"findings.{state}", float((open_findings["state"] == state).sum()), "findings"))
    figures.append(("findings.resolved", float(resolved), "findings"))
    cents = open_findings.loc[verdicts(open_findings) == "unexplained", "usd_cents"]
    figures.append(("money.undercharged", float(cents.clip(lower=0).sum()), "cents"))
    figures.append(("money.overcharged", float(-cents.clip(upper=0).sum()), "cents"))
    for verdict, amounts in sums(open_findings, verdicts(open_findings)).items():
        for name, value in asdict(amounts).items():
            figures.append((f"open.{verdict}.{name}", float(value), name.partition("_")[0]))
    return NIGHTLY_REPORT.from_rows({"name": n, "value": float(v), "unit": u} for n, v, u in figures)
