"""What the pages of the rules' results show: figures first, then the worst rows.

Not here: any rule.
"""

import pandas as pd

from billing_dq.defs.pages.metadata import Metadata, short, table_metadata
from billing_dq.defs.pages.runbook import runbook
from billing_dq.reconcile.findings.incidents import INCIDENT_COLUMNS, incidents
from billing_dq.reconcile.followed_weeks import in_window
from billing_dq.report.figures import rows_of, worst, worst_weeks
from billing_dq.report.verdicts import coverage
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.tables import LEDGER_VIOLATIONS, METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE, RUNAWAY_BALANCES
from billing_dq.weeks import NightWeeks

_DELTA_COLUMNS = ("delta_units", "cause", "grade", "week_key", "organization_id")
_EVIDENCE_COLUMNS = ("units", "cause", "confidence", "week_key", "organization_id")
_CONFIDENCES = ("proved", "consistent", "guess")


def deltas_page(lake: Lake, night: str, deltas: pd.DataFrame, weeks: NightWeeks, settings: Settings) -> Metadata:
    """The figures are of the night's own weeks; the worst weeks are of the followed ones too."""
    of_night = in_window(deltas, weeks)
    units = of_night["unexplained_units"].where(of_night["grade"] == "unexplained", 0.0)
    figures = {
        "units_owed_to_us": float(units.clip(lower=0).sum()),
        "units_owed_to_customers": float(-units.clip(upper=0).sum()),
        "undecided_units": float(of_night.loc[of_night["grade"] == "undecided", "unexplained_units"].abs().sum()),
        **{f"weeks_{share.grade}": share.weeks for share in coverage(of_night)},
    }
    rows = [
        {name: row[name] for name in _DELTA_COLUMNS} | {"why": short(row["explanation"])} for row in worst_weeks(deltas)
    ]
    return {
        **table_metadata(lake, night, METER_EXTRAS_DELTAS, figures, rows),
        "followed_weeks": len(deltas) - len(of_night),
        "runbook": runbook(settings, "meter_extras_divergence"),
    }


def evidence_page(lake: Lake, night: str, evidence: pd.DataFrame) -> Metadata:
    """Incidents first: what many organizations lost at once is one thing to look for."""
    together = incidents(evidence)
    sure = evidence["confidence"].value_counts()
    figures = {
        "pieces": len(evidence),
        "incidents": len(together),
        "units_lost_in_incidents": float(together["units"].sum()),
        **{name: int(sure.get(name, 0)) for name in _CONFIDENCES},
    }
    rows = rows_of(together, INCIDENT_COLUMNS) or worst(evidence, "units", _EVIDENCE_COLUMNS)
    return table_metadata(lake, night, METER_EXTRAS_EVIDENCE, figures, rows)


def runaway_page(lake: Lake, night: str, balances: pd.DataFrame, settings: Settings) -> Metadata:
    """The deepest balances first."""
    figures = {
        "balances": len(balances),
        "units_below_zero": float(-balances["cached_balance"].sum()),
        "units_below_threshold": float((balances["threshold_units"] - balances["cached_balance"]).sum()),
    }
    columns = ("cached_balance", "threshold_units", "rule", "organization_id", "meter_quota")
    rows = worst(balances, "cached_balance", columns)
    return {
        **table_metadata(lake, night, RUNAWAY_BALANCES, figures, rows),
        "runbook": runbook(settings, "runaway_balance"),
    }


def violations_page(lake: Lake, night: str, violations: pd.DataFrame, settings: Settings) -> Metadata:
    """What no other entry makes good, the largest first."""
    is_open = violations["compensated_by"].isna()
    rules = violations["rule"].value_counts().sort_index()
    figures = {
        "not_made_good": int(is_open.sum()),
        "made_good": int((~is_open).sum()),
        "units_not_made_good": float(violations.loc[is_open, "units"].abs().sum()),
        **{f"rule_{rule}": int(count) for rule, count in rules.items()},
    }
    rows = worst(violations[is_open], "units", ("units", "rule", "organization_id", "detail"))
    short_rows = [{**row, "detail": short(row["detail"])} for row in rows]
    return {
        **table_metadata(lake, night, LEDGER_VIOLATIONS, figures, short_rows),
        "runbook": runbook(settings, "ledger_violation"),
    }
