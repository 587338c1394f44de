"""Findings in plain form: one row for each thing a night found wrong, from all of its result tables.

Kinds, subjects and words are DESIGN.md's ("Outputs"). A finding's life from night to night is `life`'s; how severe it
is, `severity`'s. `units` are signed as money is: positive is owed to us, negative to the customer.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from billing_dq.frames import FINDINGS
from billing_dq.reconcile import severity
from billing_dq.reconcile.causes import CANCELLATION, Cause
from billing_dq.reconcile.document_size import PAGE_BYTES
from billing_dq.units import cents_of_units
from billing_dq.weeks import NightWeeks

#: Columns of a plain finding: all of `FINDINGS` but its life.
PLAIN_COLUMNS = [
    name for name in FINDINGS.column_names if name not in {"state", "first_seen", "last_seen", "nights_open"}
]
#: Causes that are always the application's design; `usage_reset` is one where a cancellation did it.
_BY_DESIGN = frozenset({Cause.BOUNDARY_SKEW, Cause.SETTLEMENT_TIMING, Cause.QUOTA_CHANGED, Cause.LATE_DEBIT})
#: Kinds whose subject means something within its organization only.
_OWN_SUBJECTS = frozenset({"meter_extras_divergence", "ledger_violation"})


@dataclass(frozen=True)
class FindingInputs:
    """The result tables of a night. None: not examined tonight (its source failed, or was not asked)."""

    #: `METER_EXTRAS_DELTAS` and `METER_EXTRAS_EVIDENCE`
    deltas: pd.DataFrame | None = None
    evidence: pd.DataFrame | None = None
    #: cumulative drift: organization_id, units, weeks, explanation
    drift: pd.DataFrame | None = None
    #: `RUNAWAY_BALANCES`
    runaway: pd.DataFrame | None = None
    #: organization_id, cached_balance
    orphans: pd.DataFrame | None = None
    #: `LEDGER_VIOLATIONS`, and the `EXTRAS_BALANCES` they are about (for the size of documents)
    violations: pd.DataFrame | None = None
    balances: pd.DataFrame | None = None
    #: `SUBSCRIPTION_DRIFT` against Stripe, the `SUBSCRIPTIONS` it is about, and how young a write is not compared yet
    subscription_drift: pd.DataFrame | None = None
    subscriptions: pd.DataFrame | None = None
    pending_minutes: float = 60.0
    #: `SUBSCRIPTION_DRIFT` rows that need no Stripe
    stale_past_due: pd.DataFrame | None = None
    #: kind (dispute_* or livemode_mix), organization_id, subject, units, cause, explanation; and the
    #: `DISPUTE_POSITIONS` behind them
    disputes: pd.DataFrame | None = None
    dispute_positions: pd.DataFrame | None = None
    #: `DEAD_LETTERED_EVENTS`
    dead_lettered: pd.DataFrame | None = None
    #: `QUARANTINED_DOCUMENTS`, `QUARANTINED_STRIPE_OBJECTS`, and what the former leave in the dark (`UNREADABLE_KEYS`)
    quarantined: pd.DataFrame | None = None
    quarantined_stripe: pd.DataFrame | None = None
    unreadable: pd.DataFrame | None = None


@dataclass(frozen=True)
class _Plain:
    """A finding before it gets its id, its price and its link."""

    kind: str
    organization_id: str | None
    subject: str
    severity: severity.Severity
    units: float
    cause: str | None
    explanation: str
    #: tells findings of one kind and subject apart: the ledger's rule, the collection of a document
    aspect: str = ""

    @property
    def finding_id(self) -> str:
        """Stable from night to night: it depends on what is broken and on nothing that changes while it is.

        The organization tells subjects apart only where they are weeks or entries; whose a dispute, a subscription or a
        bad document is may become known later.
        """
        organization = self.organization_id or "" if self.kind in _OWN_SUBJECTS else ""
        parts = (self.kind, organization, self.subject, self.aspect)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def plain_findings(inputs: FindingInputs, night: NightWeeks, dollars_to_units: float, runbook_url: str) -> pd.DataFrame:
    """All findings of a night without their life: the `PLAIN_COLUMNS`, one row a `finding_id`, in its order.

    Args:
        inputs: the night's result tables.
        night: the night's weeks.
        dollars_to_units: the general ratio, to price units.
        runbook_url: address of RUNBOOKS.md; a finding links to the section of its kind.
    """
    rows = [
        *_weeks(inputs),
        *_balances(inputs),
        *_violations(inputs, night),
        *_subscriptions(inputs),
        *_disputes(inputs),
        *_events(inputs),
        *_quarantine(inputs),
    ]
    frame = pd.DataFrame(
        {
            "finding_id": pd.Series([row.finding_id for row in rows], dtype="str"),
            "kind": pd.Series([row.kind for row in rows], dtype="str"),
            "organization_id": pd.Series([row.organization_id for row in rows], dtype="str"),
            "subject": pd.Series([row.subject for row in rows], dtype="str"),
            "severity": pd.Series([row.severity for row in rows], dtype="str"),
            "units": pd.Series([row.units for row in rows], dtype="float64"),
            "cause": pd.Series([row.cause for row in rows], dtype="str"),
            "explanation": pd.Series([row.explanation for row in rows], dtype="str"),
            "runbook": pd.Series([f"{runbook_url}#{row.kind.replace('_', '-')}" for row in rows], dtype="str"),
        }
    )
    # One entry copied twice under one id breaks one rule twice: one finding, over the units of both.
    frame["units"] = frame.groupby("finding_id")["units"].transform("sum") + 0.0  # of nothing is 0, not -0
    frame = frame.drop_duplicates("finding_id").sort_values("finding_id", ignore_index=True)
    frame["usd_cents"] = pd.Series(
        [cents_of_units(units, dollars_to_units) for units in frame["units"]], dtype="int64", index=frame.index
    )
    return frame[PLAIN_COLUMNS]


def _weeks(inputs: FindingInputs) -> Iterator[_Plain]:
    if inputs.deltas is not None:
        defects = _defects(inputs.evidence)
        key = pd.MultiIndex.from_frame(inputs.deltas[["organization_id", "week_key"]])
        unexplained = inputs.deltas["grade"] == "unexplained"
        diverged = inputs.deltas["diverged"].fillna(False).astype("bool")
        readable = inputs.deltas["grade"] != "unreadable"
        wrong = (diverged | unexplained | key.isin(list(defects))) & readable
        for row in _records(inputs.deltas.assign(diverged=diverged).loc[wrong]):
            organization, week = _text(row, "organization_id"), _text(row, "week_key")
            grade = _text(row, "grade")
            yield _Plain(
                kind="meter_extras_divergence",
                organization_id=organization,
                subject=week,
                severity=severity.of_week(grade, row["diverged"] is True, _text(row, "week_state")),
                units=_number(row, "delta_units"),
                cause=_text_or_none(row, "cause") or defects.get((organization, week)),
                explanation=_text(row, "explanation"),
            )
    if inputs.drift is not None:
        for row in _records(inputs.drift):
            organization = _text(row, "organization_id")
            yield _Plain(
                kind="meter_extras_drift",
                organization_id=organization,
                subject=organization,
                severity=severity.OF_KIND["meter_extras_drift"],
                units=_number(row, "units"),
                cause=None,
                explanation=_text(row, "explanation"),
            )


def _defects(evidence: pd.DataFrame | None) -> dict[tuple[str, str], str]:
    """The largest defect of every organization's week that has one, however small, by its evidence."""
    if evidence is None:
        return {}
    canceled = (evidence["cause"] == Cause.USAGE_RESET) & (evidence["rule"] == CANCELLATION)
    defects = evidence.loc[~evidence["cause"].isin(list(_BY_DESIGN)) & ~canceled]
    sizes = defects["units"].abs()
    largest = defects.assign(size=sizes).sort_values(["size", "cause"], kind="stable")
    return {
        (_text(row, "organization_id"), _text(row, "week_key")): _text(row, "cause")
        for row in _records(largest.drop_duplicates(["organization_id", "week_key"], keep="last"))
    }


def _balances(inputs: FindingInputs) -> Iterator[_Plain]:
    """A negative balance is owed to us: its units are positive."""
    if inputs.runaway is not None:
        for row in _records(inputs.runaway):
            organization, balance = _text(row, "organization_id"), _number(row, "cached_balance")
            basis = {
                "week_quota": f"the week's quota of {_number(row, 'meter_quota'):,.10g}",
                "plan_quota": f"the plan's quota of {_number(row, 'meter_quota'):,.10g}",
                "floor": "a quota of 0",
            }[_text(row, "rule")]
            yield _Plain(
                kind="runaway_balance",
                organization_id=organization,
                subject=organization,
                severity=severity.OF_KIND["runaway_balance"],
                units=-balance,
                cause=None,
                explanation=f"the balance is {balance:,.10g} units, below the {_number(row, 'threshold_units'):,.10g} "
                f"that {basis} allows",
            )
    if inputs.orphans is not None:
        for row in _records(inputs.orphans):
            organization, balance = _text(row, "organization_id"), _number(row, "cached_balance")
            yield _Plain(
                kind="orphan_balance",
                organization_id=organization,
                subject=organization,
                severity=severity.OF_KIND["orphan_balance"],
                units=-balance,
                cause=None,
                explanation=f"a balance of {balance:,.10g} units belongs to no organization and no subscription",
            )


def _violations(inputs: FindingInputs, night: NightWeeks) -> Iterator[_Plain]:
    if inputs.violations is None:
        return
    full: set[str] = set()
    if inputs.balances is not None:
        full = set(inputs.balances.loc[inputs.balances["document_bytes"] >= PAGE_BYTES, "organization_id"])
    states = night.states()
    for row in _records(inputs.violations):
        organization, rule = _text(row, "organization_id"), _text(row, "rule")
        week = None
        if rule == "settlement_half_applied":
            week = _text(row, "ref_id").removeprefix("settle:")
        yield _Plain(
            kind="ledger_violation",
            organization_id=organization,
            subject=week or _text_or_none(row, "entry_id") or organization,
            severity=severity.of_violation(rule, states.get(week) if week else None, organization in full),
            units=_number(row, "units"),
            cause=rule,
            explanation=_text(row, "detail"),
            aspect=rule,
        )


_DRIFT = {
    "subscription_status": "the status is {here} here and {there} at Stripe",
    "subscription_plan": "the plan is {here} here and {there} at Stripe",
    "subscription_unresolved_plan": "no item at Stripe names a known plan; the plan here is {here}",
    "subscription_ambiguous_plan": "the items at Stripe name several plans; the plan here is {here}",
    "subscription_missing_in_stripe": "the subscription, {here} here, is not known at Stripe",
    "subscription_unknown_here": "a live subscription at Stripe ({there}) to which no document points",
    "subscription_several_live": "the customer has several live subscriptions at Stripe, {there}; pointed to: {here}",
    "livemode_mix": "the key is of {here} mode and the subscription at Stripe of {there} mode",
    "invoice_marker_lag": "the newest invoice event applied is of {here}, the newest paid invoice at Stripe of {there}",
    "stale_past_due": "pastDueSince is {here} although the subscription is active",
}


def _subscriptions(inputs: FindingInputs) -> Iterator[_Plain]:
    by_design = _drift_by_design(inputs.subscription_drift, inputs.subscriptions)
    for frame in (inputs.subscription_drift, inputs.stale_past_due):
        for position, row in enumerate(_records(frame) if frame is not None else []):
            kind = _text(row, "kind")
            organization = None if kind == "subscription_unknown_here" else _text_or_none(row, "organization_id")
            subject = _text_or_none(row, "stripe_subscription_id") or _text(row, "organization_id")
            designed = frame is inputs.subscription_drift and position in by_design
            yield _Plain(
                kind=kind,
                organization_id=organization,
                subject=subject,
                severity=severity.of_drift(kind, designed),
                units=0.0,
                cause=None,
                explanation=_DRIFT[kind].format(
                    here=_text_or_none(row, "in_database") or "nothing",
                    there=_text_or_none(row, "in_stripe") or "nothing",
                )
                + (", by design" if designed else ""),
            )


def _drift_by_design(drift: pd.DataFrame | None, subscriptions: pd.DataFrame | None) -> set[int]:
    """Positions of the drift that the application's design leaves: a plan changed by hand, and dunning.

    Dunning sets `unpaid` and `free` here against `past_due` and a paid plan at Stripe (DOMAIN.md, "How the application
    writes", 2).
    """
    if drift is None or subscriptions is None:
        return set()
    by_hand = set(subscriptions.loc[subscriptions["admin_updated_at"].notna(), "organization_id"])
    in_dunning = set(
        subscriptions.loc[(subscriptions["status"] == "unpaid") & (subscriptions["plan"] == "free"), "organization_id"]
    )
    plan_drift = drift["kind"] == "subscription_plan"
    status_drift = drift["kind"] == "subscription_status"
    dunning_status = status_drift & (drift["in_stripe"] == "past_due") & drift["organization_id"].isin(in_dunning)
    paid_there = plan_drift & (drift["in_stripe"] != "free") & drift["organization_id"].isin(in_dunning)
    # Both halves or none: `unpaid` against `past_due` alone says nothing about the plan.
    both = set(drift.loc[dunning_status, "organization_id"]) & set(drift.loc[paid_there, "organization_id"])
    dunning = (dunning_status | paid_there) & drift["organization_id"].isin(both)
    designed = dunning | (plan_drift & drift["organization_id"].isin(by_hand))
    return {position for position, is_designed in enumerate(designed) if is_designed}


def _disputes(inputs: FindingInputs) -> Iterator[_Plain]:
    for row in _records(inputs.disputes) if inputs.disputes is not None else []:
        kind = _text(row, "kind")
        yield _Plain(
            kind=kind,
            organization_id=_text_or_none(row, "organization_id"),
            subject=_text(row, "subject"),
            severity=severity.OF_KIND[kind],
            units=_number(row, "units"),
            cause=_text_or_none(row, "cause"),
            explanation=_text(row, "explanation"),
        )


def _events(inputs: FindingInputs) -> Iterator[_Plain]:
    for row in _records(inputs.dead_lettered) if inputs.dead_lettered is not None else []:
        error = _text_or_none(row, "last_error")
        yield _Plain(
            kind="dead_lettered_event",
            organization_id=None,
            subject=_text(row, "event_id"),
            severity=severity.OF_KIND["dead_lettered_event"],
            units=0.0,
            cause=None,
            explanation=f"the application gave up on an event {_text_or_none(row, 'type') or 'of unknown type'}: "
            f"{error or 'it left no error'}",
        )


def _quarantine(inputs: FindingInputs) -> Iterator[_Plain]:
    """One finding a document, whatever number of its fields are bad."""
    dark: dict[str, tuple[str | None, str | None]] = {}
    if inputs.unreadable is not None:
        dark = {
            _text(row, "document_id"): (_text_or_none(row, "organization_id"), _text_or_none(row, "week_key"))
            for row in _records(inputs.unreadable)
        }
    for frame in (inputs.quarantined, inputs.quarantined_stripe):
        if frame is None:
            continue
        reasons: dict[tuple[str, str], list[str]] = {}
        for row in _records(frame):
            key = (_text(row, "collection"), _text(row, "document_id"))
            reasons.setdefault(key, []).append(f"{_text(row, 'field')} {_text(row, 'reason')}")
        for (collection, document), bad in reasons.items():
            organization, week = dark.get(document, (None, None))
            yield _Plain(
                kind="quarantined_documents",
                organization_id=organization,
                subject=document,
                severity=severity.OF_KIND["quarantined_documents"],
                units=0.0,
                cause=None,
                explanation=_quarantine_sentence(collection, week, bad),
                aspect=collection,
            )


_QUARANTINE = re.compile(r"a document of (?P<collection>.+?)(?: for (?P<week>[0-9]{4}-W[0-9]{2}))? could not be read: ")
#: A document of many bad ledger entries has as many reasons; the table of quarantined documents has them all.
_REASONS = 3


def _quarantine_sentence(collection: str, week: str | None, reasons: list[str]) -> str:
    told = "; ".join(sorted(reasons)[:_REASONS]) + (
        f"; and {more} more" if (more := len(reasons) - _REASONS) > 0 else ""
    )
    return f"a document of {collection}{f' for {week}' if week else ''} could not be read: {told}"


def quarantined_where(explanation: str) -> tuple[str, str | None]:
    """Collection and week of a quarantined document's finding, which stand nowhere else than in its sentence.

    Raises:
        ValueError: the sentence is not one of a quarantined document.
    """
    match = _QUARANTINE.match(explanation)
    if match is None:
        raise ValueError(f"not the sentence of a quarantined document: {explanation!r}")
    return match["collection"], match["week"]


def _records(frame: pd.DataFrame) -> list[dict[str, object]]:
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def _text_or_none(row: dict[str, object], name: str) -> str | None:
    value = row[name]
    return value if isinstance(value, str) else None


def _text(row: dict[str, object], name: str) -> str:
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, not a text")
    return value


def _number(row: dict[str, object], name: str) -> float:
    value = row[name]
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}, not a number")
    return float(value)
