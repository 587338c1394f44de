"""Findings about organizations' weeks: one for each that diverges or has a defect, and one for weeks that drift.

See docs/domain.md, "Meter against extras". A week tells the units that nothing by design explains, less those that a
finding about the ledger tells: a copied debit is the copy's, half of a settlement the settlement's. Beside a defect
that is sure, units that may be by design are told in words only.
"""

from collections.abc import Iterator, Mapping

import pandas as pd

from billing_dq.reconcile.findings import severity
from billing_dq.reconcile.findings.finding import Finding, number, records, text, text_or_none
from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.reconcile.findings.incidents import incident_sentences
from billing_dq.reconcile.findings.mirrors import MOVED, mirrored_weeks
from billing_dq.reconcile.meter.causes import ALWAYS_BY_DESIGN, RESETS_BY_DESIGN, STORIES, Cause
from billing_dq.reconcile.meter.quota.free_usage import EPSILON
from billing_dq.vocabulary.references import SETTLEMENT
from billing_dq.vocabulary.verdicts import Verdict

_WEEK = ["organization_id", "week_key"]
_ENTRY = ["organization_id", "entry_id"]


def entry_money(organization_id: str, entry_id: str) -> str:
    """The name of the money of a ledger entry, for `shared_money`."""
    return f"entry {organization_id} {entry_id}"


def settlement_money(organization_id: str, week_key: str) -> str:
    """The name of the money of a week's settlement, for `shared_money`."""
    return f"settlement {organization_id} {week_key}"


def week_findings(inputs: FindingInputs, violations: pd.DataFrame | None) -> Iterator[Finding]:
    """The findings of weeks, and of drift.

    Args:
        inputs: the night's deltas, evidence and drift.
        violations: `LEDGER_VIOLATIONS` that are findings of their own; None: the ledgers were not examined.
    """
    if inputs.deltas is not None:
        yield from _weeks(inputs.deltas, inputs.evidence, violations, _drifting(inputs.drift))
    for row in records(inputs.drift) if inputs.drift is not None else []:
        organization = text(row, "organization_id")
        yield Finding(
            kind="meter_extras_drift",
            organization_id=organization,
            subject=organization,
            severity=severity.OF_KIND["meter_extras_drift"],
            units=number(row, "units"),
            cause=None,
            explanation=text(row, "explanation"),
            money=(_drift_money(organization),),
        )


def _weeks(
    deltas: pd.DataFrame,
    evidence: pd.DataFrame | None,
    violations: pd.DataFrame | None,
    drifting: Mapping[str, str],
) -> Iterator[Finding]:
    defects = _defects(evidence)
    together = {} if evidence is None else incident_sentences(evidence)
    made_good = _made_good(evidence, violations)
    mirrors = mirrored_weeks(deltas, evidence)
    of_ledger = _told_of_the_ledger(evidence, violations)
    doubtful = _doubtful_units(evidence)
    key = pd.MultiIndex.from_frame(deltas[_WEEK])
    unexplained = deltas["grade"].isin(["unexplained", "undecided"])
    diverged = deltas["diverged"].fillna(False).astype("bool")
    wrong = diverged | unexplained | key.isin(list(defects))
    # A week is put into words one by one: those with a finding are few.
    for row in records(deltas.assign(diverged=diverged).loc[wrong]):
        week = text(row, "organization_id"), text(row, "week_key")
        if week in mirrors.others:
            continue
        moved, corrected = mirrors.sentences.get(week), made_good.get(week)
        money, units_of_ledger = of_ledger.get(week, ((), 0.0))
        units = number(row, "delta_units" if row["grade"] == "explained" else "unexplained_units")
        owned = units - units_of_ledger - (doubtful.get(week, 0.0) if row["grade"] == "unexplained" else 0.0)
        if abs(owned) > EPSILON:
            units, money = owned, ()
        level, verdict = _judged(row)
        if verdict == "too_small" and text(row, "week_state") == "closed" and drifting.get(week[0], "~") <= week[1]:
            money = (*money, _drift_money(week[0]))
        if corrected:
            level, verdict = "info", "too_small"
        elif moved:
            level, verdict = "warning", "unexplained"
        yield Finding(
            kind="meter_extras_divergence",
            organization_id=week[0],
            subject=week[1],
            severity=level,
            units=0.0 if corrected or moved else units,
            cause=MOVED if moved else text_or_none(row, "cause") or defects.get(week),
            explanation=" ".join(filter(None, (text(row, "explanation"), moved, together.get(week), corrected))),
            verdict=verdict,
            money=money,
        )


def _judged(row: dict[str, object]) -> tuple[severity.Severity, Verdict]:
    """How severe a week is and what it amounts to, by its grade; a defect within the tolerance is too small."""
    grade = text(row, "grade")
    verdict: dict[str, Verdict] = {"explained": "by_design", "undecided": "undecided", "unexplained": "unexplained"}
    level = severity.of_week(grade, row["diverged"] is True, text(row, "week_state"))
    return level, verdict.get(grade, "too_small")


def _doubtful_units(evidence: pd.DataFrame | None) -> dict[tuple[str, str], float]:
    """By organization and week: the units of defects beside which a story by design fits as well."""
    if evidence is None:
        return {}
    defects = ~evidence["cause"].isin(list(ALWAYS_BY_DESIGN)) & in_doubt(evidence) & (evidence["units"] != 0)
    sums = evidence.loc[defects].groupby(_WEEK, as_index=False).agg(units=("units", "sum"))
    return {(text(row, "organization_id"), text(row, "week_key")): number(row, "units") for row in records(sums)}


def _drifting(drift: pd.DataFrame | None) -> dict[str, str]:
    """By organization that drifts: the first week that its drift adds up."""
    return {} if drift is None else dict(zip(drift["organization_id"], drift["first_week"], strict=True))


def _drift_money(organization_id: str) -> str:
    return f"drift {organization_id}"


def _told_of_the_ledger(
    evidence: pd.DataFrame | None, violations: pd.DataFrame | None
) -> dict[tuple[str, str], tuple[tuple[str, ...], float]]:
    """By organization and week: the units of its delta that findings about the ledger tell, and the names of these."""
    if evidence is None or violations is None:
        return {}
    items = evidence.loc[evidence["units"] != 0]
    copies = violations.loc[violations["rule"] == "duplicate_ref", _ENTRY].drop_duplicates()
    copied = items.loc[items["cause"] == Cause.DUPLICATE_DEBIT].merge(copies, on=_ENTRY)
    settlements = violations.loc[violations["rule"] == "settlement_half_applied", ["organization_id", "ref_id"]]
    weeks = settlements.assign(week_key=settlements["ref_id"].str.removeprefix(SETTLEMENT))[_WEEK].drop_duplicates()
    settled = items.loc[items["cause"] == Cause.SETTLEMENT_HALF_APPLIED].merge(weeks, on=_WEEK)
    names: dict[tuple[str, str], tuple[tuple[str, ...], float]] = {}
    for row in records(pd.concat([copied, settled])):
        organization, week = text(row, "organization_id"), text(row, "week_key")
        of_copy = row["cause"] == Cause.DUPLICATE_DEBIT
        name = entry_money(organization, text(row, "entry_id")) if of_copy else settlement_money(organization, week)
        money, units = names.get((organization, week), ((), 0.0))
        names[organization, week] = ((*money, name), units + number(row, "units"))
    return names


def _defects(evidence: pd.DataFrame | None) -> dict[tuple[str, str], str]:
    """The largest defect of every organization's week that has one, however small, by its evidence."""
    if evidence is None:
        return {}
    defects = _of_defects(evidence)
    by_size = defects.assign(size=defects["units"].abs()).sort_values(["size", "cause"])
    # of a week's defects the last one, which is the largest, stays
    return {(text(row, "organization_id"), text(row, "week_key")): text(row, "cause") for row in records(by_size)}


def _of_defects(evidence: pd.DataFrame) -> pd.DataFrame:
    """The evidence of defects.

    A half-applied settlement that moves no debit is the ledger's finding alone: one break, one finding.
    """
    reset = (evidence["cause"] == Cause.USAGE_RESET) & evidence["rule"].isin(list(RESETS_BY_DESIGN))
    of_ledger = (evidence["cause"] == Cause.SETTLEMENT_HALF_APPLIED) & (evidence["units"] == 0)
    return evidence.loc[~evidence["cause"].isin(list(ALWAYS_BY_DESIGN)) & ~reset & ~of_ledger & ~in_doubt(evidence)]


def _made_good(evidence: pd.DataFrame | None, violations: pd.DataFrame | None) -> dict[tuple[str, str], str]:
    """By organization and week, in words: the entries that make good all of its defects, which are copied debits.

    The week itself stays as it is: what was added to the ledger to correct it is no debit of the week.
    """
    if evidence is None or violations is None:
        return {}
    defects = _of_defects(evidence)
    copies = violations.loc[(violations["rule"] == "duplicate_ref") & violations["compensated_by"].notna()]
    copies = copies[["organization_id", "entry_id", "compensated_by"]].drop_duplicates(_ENTRY)
    told = defects.merge(copies, on=_ENTRY, how="left")
    told["good"] = told["compensated_by"].notna() & (told["cause"] == Cause.DUPLICATE_DEBIT)
    weeks = told.groupby(_WEEK)
    whole = told.loc[weeks["good"].transform("all")].groupby(_WEEK)["compensated_by"]
    return {
        (str(organization), str(week)): f"Made good by {', '.join(entries.unique())}."
        for (organization, week), entries in whole
    }


def in_doubt(evidence: pd.DataFrame) -> "pd.Series[bool]":
    """Of every item: whether its week has a story by design beside it, which carries no units, and nothing proves it.

    Such a week is a finding where it is graded undecided; below the tolerance it is none.
    """
    stories = evidence.loc[(evidence["confidence"] == "guess") & evidence["cause"].isin([*STORIES])]
    stories = stories.loc[stories["units"] == 0]
    beside = pd.MultiIndex.from_frame(evidence[_WEEK]).isin(pd.MultiIndex.from_frame(stories[_WEEK]))
    return (evidence["confidence"] != "proved") & beside
