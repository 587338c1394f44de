"""What a night says in one look: what each open finding amounts to, what changed, and how much was looked at.

Nothing is judged here. Money and units are signed in the tables and told apart here: owed to us, and owed to customers;
what another finding owns counts there only.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from billing_dq.reconcile.findings.severity import rank
from billing_dq.reconcile.findings.shared_money import owed_units
from billing_dq.reconcile.findings.standing import is_open
from billing_dq.vocabulary.verdicts import VERDICTS, Verdict

#: The grades of `METER_EXTRAS_DELTAS`, from nothing to say to nothing known, and what people call them.
GRADES: Mapping[str, str] = {
    "exact": "exact",
    "within_tolerance": "tolerated",
    "explained": "explained",
    "undecided": "undecided",
    "unexplained": "unexplained",
    "unreadable": "unreadable",
}


@dataclass(frozen=True)
class Amounts:
    """Findings of one verdict, and what is owed either way: units of the meter, US cents; all positive."""

    findings: int
    units_to_us: float
    units_to_customers: float
    cents_to_us: int
    cents_to_customers: int


@dataclass(frozen=True)
class Share:
    """Organization-weeks of one grade: how many, and their percentage, with one decimal."""

    grade: str
    weeks: int
    percent: float


def sums(findings: pd.DataFrame, verdict: "pd.Series[str]") -> dict[Verdict, Amounts]:
    """What the findings of each verdict add up to, all of `VERDICTS`."""
    return {name: _amounts(findings[verdict == name]) for name in VERDICTS}


def changes(findings: pd.DataFrame, previous: pd.DataFrame | None, night: str) -> "pd.Series[str]":
    """What changed about each finding since the night before: its state, but `worse` where it grew and `not examined`
    where this night could not look.

    Args:
        findings: `FINDINGS` of the night.
        previous: `FINDINGS` of the newest earlier night; None: there is none.
        night: YYYY-MM-DD.
    """
    change = findings["state"].where(findings["state"] != "persisting", "unchanged")
    change = change.mask((change == "unchanged") & (findings["last_seen"] != night), "not examined")
    if previous is None or findings.empty:
        return change
    before = previous.set_index("finding_id").reindex(findings["finding_id"]).set_axis(findings.index)
    severer = rank(findings["severity"]) > rank(before["severity"].fillna("critical"))
    grown = pd.Series(False, index=findings.index)
    for amount in ("units", "usd_cents"):
        grown |= findings[amount].abs() > before[amount].astype("float64").abs()
    return change.mask((change == "unchanged") & (severer | grown), "worse")


def coverage(deltas: pd.DataFrame) -> list[Share]:
    """Every organization-week under its grade; the percentages add up to 100, none without a week."""
    counts = deltas["grade"].value_counts().reindex(list(GRADES), fill_value=0).astype("int64")
    total = int(counts.sum())
    if not total:
        return [Share(grade, 0, 0.0) for grade in GRADES]
    exact = counts * 1000 / total
    tenths = np.floor(exact).astype("int64")
    largest = (exact - tenths).sort_values(ascending=False, kind="stable").index[: 1000 - int(tenths.sum())]
    tenths[largest] += 1
    return [
        Share(grade, weeks, tenth / 10)
        for grade, weeks, tenth in zip(GRADES, counts.tolist(), tenths.tolist(), strict=True)
    ]


def in_order_of_work(findings: pd.DataFrame, verdict: "pd.Series[str]") -> pd.DataFrame:
    """Findings in the order in which to look at them: by verdict, severity and money, resolved ones last."""
    order = pd.DataFrame(
        {
            "resolved": ~is_open(findings),
            "verdict": verdict.map({name: place for place, name in enumerate(VERDICTS)}),
            "severity": -rank(findings["severity"]),
            "money": -findings["usd_cents"].abs(),
            "units": -findings["units"].abs(),
            "id": findings["finding_id"],
        }
    )
    return findings.loc[order.sort_values(list(order.columns)).index]


def _amounts(findings: pd.DataFrame) -> Amounts:
    units, cents = owed_units(findings), findings["usd_cents"]
    return Amounts(
        findings=len(findings),
        units_to_us=float(units.clip(lower=0).sum()),
        units_to_customers=float(units.clip(upper=0).abs().sum()),
        cents_to_us=int(cents.clip(lower=0).sum()),
        cents_to_customers=int(cents.clip(upper=0).abs().sum()),
    )
