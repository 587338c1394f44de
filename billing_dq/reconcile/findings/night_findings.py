"""Findings in plain form: one row for each thing a night found wrong, from all of its result tables.

The rule of docs/domain.md, "Webhook queue", is here, because a dead letter needs no comparison.

Kinds and subjects are those of docs/tables.md, "Finding kinds" and "Subjects and ids". A finding's way from night to
night is `ageing`'s; how severe it is, `severity`'s. `units` are signed as money is: positive is owed to us, negative to
the customer.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.findings import severity
from billing_dq.reconcile.findings.clocks import of_a_wrong_clock
from billing_dq.reconcile.findings.finding import Finding, number, records, text, text_or_none
from billing_dq.reconcile.findings.incidents import incident_sentences
from billing_dq.reconcile.findings.mirrors import MOVED, mirrored_weeks
from billing_dq.reconcile.findings.quarantine import quarantine_findings
from billing_dq.reconcile.findings.subscriptions import subscription_findings
from billing_dq.reconcile.ledger.document_size import CRITICAL_BYTES
from billing_dq.reconcile.ledger.entry_rules import OF_NO_MONEY
from billing_dq.reconcile.meter.causes import ALWAYS_BY_DESIGN, RESETS_BY_DESIGN, STORIES, Cause
from billing_dq.tables import FINDINGS
from billing_dq.units import cents_of_units
from billing_dq.vocabulary.kinds import KINDS, Result
from billing_dq.vocabulary.references import SETTLEMENT
from billing_dq.weeks import NightWeeks

#: Columns of a plain finding: all of `FINDINGS` but its ageing.
PLAIN_COLUMNS = FINDINGS.column_names[: FINDINGS.column_names.index("state")]


@dataclass(frozen=True)
class FindingInputs:
    """The result tables of a night. None: not examined tonight (its source failed, or was not asked)."""

    #: `METER_EXTRAS_DELTAS` and `METER_EXTRAS_EVIDENCE`
    deltas: pd.DataFrame | None = None
    evidence: pd.DataFrame | None = None
    #: `FOLLOWED_WEEKS`, which are in them too
    followed_weeks: pd.DataFrame | None = None
    #: cumulative drift: organization_id, units, weeks, explanation
    drift: pd.DataFrame | None = None
    #: `RUNAWAY_BALANCES`
    runaway: pd.DataFrame | None = None
    #: organization_id, cached_balance
    orphans: pd.DataFrame | None = None
    #: `LEDGER_VIOLATIONS`, the `LEDGER_SUSPECTS` that date their entries, and the `EXTRAS_BALANCES` they are about
    #: (for the size of documents)
    violations: pd.DataFrame | None = None
    suspects: pd.DataFrame | None = None
    balances: pd.DataFrame | None = None
    #: `SUBSCRIPTION_DRIFT` against Stripe, the `SUBSCRIPTIONS` it is about, and how young a write is not compared yet
    subscription_drift: pd.DataFrame | None = None
    subscriptions: pd.DataFrame | None = None
    pending_minutes: float = 0.0
    #: `STRIPE_SUBSCRIPTIONS`, which tell what changed there lately
    stripe_subscriptions: pd.DataFrame | None = None
    #: Stripe subscriptions whose newest paid invoice was out of reach of the night's requests
    invoices_not_read: frozenset[str] = frozenset()
    #: `SUBSCRIPTION_DRIFT` rows that need no Stripe
    stale_past_due: pd.DataFrame | None = None
    payers: pd.DataFrame | None = None
    #: kind (dispute_* or livemode_mix), organization_id, subject, units, cause, explanation; and the
    #: `DISPUTE_POSITIONS` behind them
    disputes: pd.DataFrame | None = None
    dispute_positions: pd.DataFrame | None = None
    #: findings of payments (`purchases.ledgers.findings_frame`), and the `STRIPE_CHARGES` and `STRIPE_REFUNDS` they are
    #: about; one that could not be read is None, whatever was found of the other
    payments: pd.DataFrame | None = None
    charges: pd.DataFrame | None = None
    refunds: pd.DataFrame | None = None
    #: `DEAD_LETTERED_EVENTS`
    dead_lettered: pd.DataFrame | None = None
    #: `QUARANTINED_DOCUMENTS`, `QUARANTINED_STRIPE_OBJECTS`, and what the former are about (`UNREADABLE_KEYS`)
    quarantined: pd.DataFrame | None = None
    quarantined_stripe: pd.DataFrame | None = None
    unreadable: pd.DataFrame | None = None
    #: `quarantine.DOCUMENT_COLUMNS` of the documents that open findings of earlier nights are about
    quarantined_before: pd.DataFrame | None = None
    #: whether all of the application's side was read
    is_whole: bool = True

    def has(self, result: Result) -> bool:
        """Whether a result was examined tonight."""
        frame: pd.DataFrame | None = getattr(self, result)
        return frame is not None


def plain_findings(inputs: FindingInputs, weeks: NightWeeks, dollars_to_units: float, runbook_url: str) -> pd.DataFrame:
    """All findings of a night without their ageing: the `PLAIN_COLUMNS`, one row a `finding_id`, in its order.

    Args:
        inputs: the night's result tables.
        weeks: those of the night.
        dollars_to_units: the general ratio, to price units.
        runbook_url: address of RUNBOOKS.md; a finding links to the section of its kind.
    """
    rows = [
        *_weeks(inputs),
        *_balances(inputs),
        *_violations(inputs, weeks),
        *subscription_findings(inputs.subscription_drift, (inputs.stale_past_due, inputs.payers), inputs.subscriptions),
        *_plain(inputs.disputes),
        *_plain(inputs.payments),
        *_events(inputs),
        *quarantine_findings(inputs.quarantined, inputs.quarantined_stripe, inputs.unreadable),
    ]
    frame = pd.DataFrame(
        {
            "finding_id": [row.finding_id for row in rows],
            "kind": [row.kind for row in rows],
            "organization_id": [row.organization_id for row in rows],
            "subject": [row.subject for row in rows],
            "severity": [row.severity for row in rows],
            "units": [row.units for row in rows],
            "is_owed": [row.is_owed for row in rows],
            "cause": [row.cause for row in rows],
            "explanation": [row.explanation for row in rows],
            "runbook": [f"{runbook_url}#{KINDS[row.kind].runbook}" for row in rows],
        }
    )
    # One entry copied twice under one id breaks one rule twice: one finding, over the units of both.
    frame["units"] = frame.groupby("finding_id")["units"].transform("sum") + 0.0  # of nothing is 0, not -0
    frame = frame.drop_duplicates("finding_id").sort_values("finding_id")
    owed = frame["units"].where(frame["is_owed"], 0.0)
    frame["usd_cents"] = [cents_of_units(units, dollars_to_units) for units in owed]
    return frame[PLAIN_COLUMNS]


def _weeks(inputs: FindingInputs) -> Iterator[Finding]:
    if inputs.deltas is not None:
        defects = _defects(inputs.evidence)
        together = {} if inputs.evidence is None else incident_sentences(inputs.evidence)
        made_good = _made_good(inputs.evidence, inputs.violations)
        mirrors = mirrored_weeks(inputs.deltas, inputs.evidence)
        key = pd.MultiIndex.from_frame(inputs.deltas[["organization_id", "week_key"]])
        unexplained = inputs.deltas["grade"].isin(["unexplained", "undecided"])
        diverged = inputs.deltas["diverged"].fillna(False).astype("bool")
        wrong = diverged | unexplained | key.isin(list(defects))
        for row in records(inputs.deltas.assign(diverged=diverged).loc[wrong]):
            organization, week = text(row, "organization_id"), text(row, "week_key")
            if (organization, week) in mirrors.others:
                continue
            grade = text(row, "grade")
            moved = mirrors.sentences.get((organization, week))
            corrected = made_good.get((organization, week))
            severe = severity.of_week(grade, row["diverged"] is True, text(row, "week_state"))
            sentences = (text(row, "explanation"), moved, together.get((organization, week)), corrected)
            yield Finding(
                kind="meter_extras_divergence",
                organization_id=organization,
                subject=week,
                severity="info" if corrected else "warning" if moved else severe,
                units=0.0 if corrected or moved else number(row, "delta_units"),
                cause=MOVED if moved else text_or_none(row, "cause") or defects.get((organization, week)),
                explanation=" ".join(filter(None, sentences)),
            )
    if inputs.drift is not None:
        for row in records(inputs.drift):
            organization = text(row, "organization_id")
            yield Finding(
                kind="meter_extras_drift",
                organization_id=organization,
                subject=organization,
                severity=severity.OF_KIND["meter_extras_drift"],
                units=number(row, "units"),
                cause=None,
                explanation=text(row, "explanation"),
            )


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
    return evidence.loc[~evidence["cause"].isin(list(ALWAYS_BY_DESIGN)) & ~reset & ~of_ledger & ~_in_doubt(evidence)]


def _made_good(evidence: pd.DataFrame | None, violations: pd.DataFrame | None) -> dict[tuple[str, str], str]:
    """By organization and week, in words: the entries that make good all of its defects, which are copied debits.

    The week itself stays as it is: what was added to the ledger to correct it is no debit of the week.
    """
    if evidence is None or violations is None:
        return {}
    defects = _of_defects(evidence)
    copies = violations.loc[(violations["rule"] == "duplicate_ref") & violations["compensated_by"].notna()]
    copies = copies[["organization_id", "entry_id", "compensated_by"]].drop_duplicates(["organization_id", "entry_id"])
    told = defects.merge(copies, on=["organization_id", "entry_id"], how="left")
    told["good"] = told["compensated_by"].notna() & (told["cause"] == Cause.DUPLICATE_DEBIT)
    weeks = told.groupby(["organization_id", "week_key"])
    whole = told.loc[weeks["good"].transform("all")].groupby(["organization_id", "week_key"])["compensated_by"]
    return {
        (str(organization), str(week)): f"Made good by {', '.join(entries.unique())}."
        for (organization, week), entries in whole
    }


def _in_doubt(evidence: pd.DataFrame) -> pd.Series:
    """Of every item: whether its week has a story by design beside it, which carries no units, and nothing proves it.

    Such a week is a finding where it is graded undecided; below the tolerance it is none.
    """
    stories = evidence.loc[(evidence["confidence"] == "guess") & evidence["cause"].isin([*STORIES])]
    stories = stories.loc[stories["units"] == 0]
    week = ["organization_id", "week_key"]
    beside = pd.MultiIndex.from_frame(evidence[week]).isin(pd.MultiIndex.from_frame(stories[week]))
    return (evidence["confidence"] != "proved") & beside


def _balances(inputs: FindingInputs) -> Iterator[Finding]:
    """A negative balance is owed to us: its units are positive."""
    if inputs.runaway is not None:
        for row in records(inputs.runaway):
            organization, balance = text(row, "organization_id"), number(row, "cached_balance")
            basis = {
                "week_quota": f"the week's quota of {number(row, 'meter_quota'):,.10g}",
                "plan_quota": f"the plan's quota of {number(row, 'meter_quota'):,.10g}",
                "floor": "a quota of 0",
            }[text(row, "rule")]
            yield Finding(
                kind="runaway_balance",
                organization_id=organization,
                subject=organization,
                severity=severity.OF_KIND["runaway_balance"],
                units=-balance,
                cause=None,
                explanation=f"the balance is {balance:,.10g} units, below the {number(row, 'threshold_units'):,.10g} "
                f"that {basis} allows",
                # a state that other breaks, or the application's design, have led to: each unit is owed once
                is_owed=False,
            )
    if inputs.orphans is not None:
        for row in records(inputs.orphans):
            organization, balance = text(row, "organization_id"), number(row, "cached_balance")
            yield Finding(
                kind="orphan_balance",
                organization_id=organization,
                subject=organization,
                severity=severity.OF_KIND["orphan_balance"],
                units=-balance,
                cause=None,
                explanation=f"a balance of {balance:,.10g} units belongs to no organization and no subscription",
            )


def _violations(inputs: FindingInputs, weeks: NightWeeks) -> Iterator[Finding]:
    if inputs.violations is None:
        return
    full: set[str] = set()
    if inputs.balances is not None:
        full = set(inputs.balances.loc[inputs.balances["document_bytes"] >= CRITICAL_BYTES, "organization_id"])
    states = weeks.states()
    of_clock, clock = of_a_wrong_clock(inputs.violations, inputs.suspects, weeks.as_of)
    if clock is not None:
        yield clock
    for row in records(inputs.violations.loc[~_of_a_reset_meter(inputs) & ~of_clock]):
        organization, rule = text(row, "organization_id"), text(row, "rule")
        week = text(row, "ref_id").removeprefix(SETTLEMENT) if rule == "settlement_half_applied" else ""
        yield Finding(
            kind="ledger_violation",
            organization_id=organization,
            subject=week or text_or_none(row, "entry_id") or organization,
            severity=severity.of_violation(
                rule, states.get(week), organization in full, text_or_none(row, "compensated_by") is not None
            ),
            units=number(row, "units"),
            cause=rule,
            explanation=text(row, "detail"),
            # one break, which is only told more mildly once it is old
            aspect="expiry_too_much" if rule == "expiry_in_full" else rule,
            is_owed=rule not in OF_NO_MONEY,
        )


def _of_a_reset_meter(inputs: FindingInputs) -> pd.Series:
    """Of each violation: whether it is a settlement whose charge is gone because the meter was set back.

    The week's own finding tells of that: one break, one finding. Where the week is in doubt, the violation is not.
    """
    assert inputs.violations is not None
    violations = inputs.violations
    if inputs.evidence is None:
        return pd.Series(data=False, index=violations.index)
    evidence = inputs.evidence.assign(week=inputs.evidence["organization_id"] + "/" + inputs.evidence["week_key"])
    set_back = (evidence["cause"] == Cause.USAGE_RESET) & (evidence["units"] != 0)
    reset = evidence.loc[set_back & ~_in_doubt(evidence), "week"]
    differ = evidence.loc[evidence["rule"] == "amounts_differ", "week"]
    week = violations["organization_id"] + "/" + violations["ref_id"].fillna("").str.removeprefix(SETTLEMENT)
    return (violations["rule"] == "settlement_half_applied") & week.isin(reset) & week.isin(differ)


def _plain(frame: pd.DataFrame | None) -> Iterator[Finding]:
    """Findings that their rules have put into words: of disputes, of payments."""
    for row in records(frame) if frame is not None else []:
        kind = text(row, "kind")
        yield Finding(
            kind=kind,
            organization_id=text_or_none(row, "organization_id"),
            subject=text(row, "subject"),
            severity=severity.OF_KIND[kind],
            units=number(row, "units"),
            cause=text_or_none(row, "cause"),
            explanation=text(row, "explanation"),
        )


def _events(inputs: FindingInputs) -> Iterator[Finding]:
    for row in records(inputs.dead_lettered) if inputs.dead_lettered is not None else []:
        error = text_or_none(row, "last_error")
        yield Finding(
            kind="dead_lettered_event",
            organization_id=None,
            subject=text(row, "event_id"),
            severity=severity.OF_KIND["dead_lettered_event"],
            units=0.0,
            cause=None,
            explanation=f"the application gave up on an event {text_or_none(row, 'type') or 'of unknown type'}: "
            f"{error or 'it left no error'}",
        )
