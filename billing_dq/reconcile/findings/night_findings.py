"""Findings in plain form: one row for each thing a night found wrong, from all of its result tables.

The rule of docs/domain.md, "Webhook queue", is here, because a dead letter needs no comparison.

Kinds and subjects are those of docs/tables.md, "Finding kinds" and "Subjects and ids". A finding's way from night to
night is `ageing`'s; how severe it is, `severity`'s. `units` are signed as money is: positive is owed to us, negative to
the customer.
"""

from collections.abc import Iterable, Iterator, Mapping

import pandas as pd

from billing_dq.reconcile.findings import severity
from billing_dq.reconcile.findings.clocks import of_a_wrong_clock
from billing_dq.reconcile.findings.finding import Finding, number, records, text, text_or_none
from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.reconcile.findings.quarantine import quarantine_findings
from billing_dq.reconcile.findings.shared_money import Claimant, owed_units, owners
from billing_dq.reconcile.findings.since import broken_since
from billing_dq.reconcile.findings.subscriptions import subscription_findings
from billing_dq.reconcile.findings.week_findings import entry_money, in_doubt, settlement_money, week_findings
from billing_dq.reconcile.ledger.document_size import CRITICAL_BYTES
from billing_dq.reconcile.meter.causes import Cause
from billing_dq.tables import FINDINGS
from billing_dq.units import cents_of_units
from billing_dq.vocabulary.kinds import KINDS
from billing_dq.vocabulary.references import SETTLEMENT, clawback_of, reinstated_dispute
from billing_dq.weeks import NightWeeks

#: Columns of a plain finding: all of `FINDINGS` but its ageing.
PLAIN_COLUMNS = FINDINGS.column_names[: FINDINGS.column_names.index("state")]


def plain_findings(inputs: FindingInputs, weeks: NightWeeks, dollars_to_units: float, runbook_url: str) -> pd.DataFrame:
    """All findings of a night without their ageing: the `PLAIN_COLUMNS`, one row a `finding_id`, in its order.

    Args:
        inputs: the night's result tables.
        weeks: those of the night.
        dollars_to_units: the general ratio, to price units.
        runbook_url: address of RUNBOOKS.md; a finding links to the section of its kind.
    """
    violations = _of_ledgers(inputs)
    rows = [
        *week_findings(inputs, violations),
        *_balances(inputs),
        *_violations(inputs, violations, weeks),
        *subscription_findings(inputs.subscription_drift, (inputs.stale_past_due, inputs.payers), inputs.subscriptions),
        *_plain(inputs.disputes, inputs.dispute_positions),
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
            "verdict": [row.amounts_to for row in rows],
            "cause": [row.cause for row in rows],
            "explanation": [row.explanation for row in rows],
            "runbook": [f"{runbook_url}#{KINDS[row.kind].runbook}" for row in rows],
        }
    )
    # One entry copied twice under one id breaks one rule twice: one finding, over the units of both.
    frame["units"] = frame.groupby("finding_id")["units"].transform("sum") + 0.0  # of nothing is 0, not -0
    frame = frame.drop_duplicates("finding_id").sort_values("finding_id")
    frame["same_money_as"] = frame["finding_id"].map(_owners(frame, rows)).astype("str")
    frame["usd_cents"] = [cents_of_units(units, dollars_to_units) for units in owed_units(frame)]
    return frame.assign(broken_since=broken_since(frame, inputs))[PLAIN_COLUMNS]


def _owners(frame: pd.DataFrame, findings: Iterable[Finding]) -> dict[str, str]:
    """By finding: the one that owns its money."""
    money = {finding.finding_id: finding.money for finding in findings}
    told = frame.loc[owed_units(frame.assign(same_money_as=None)) != 0]
    columns = ["finding_id", "organization_id", "kind", "cause", "units"]
    return owners(
        Claimant(
            finding,
            organization if isinstance(organization, str) else None,
            cause if kind == "ledger_violation" else kind,
            units,
            money[finding],
        )
        for finding, organization, kind, cause, units in told[columns].itertuples(index=False, name=None)
    )


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


def _of_ledgers(inputs: FindingInputs) -> pd.DataFrame | None:
    """The violations that are findings of their own."""
    return None if inputs.violations is None else inputs.violations.loc[~_of_a_reset_meter(inputs)]


#: Rules whose ``ref_id`` is a week or a settlement's key.
_OF_A_WEEK = ("settlement_half_applied", "usage_document_size")


def _violations(inputs: FindingInputs, violations: pd.DataFrame | None, weeks: NightWeeks) -> Iterator[Finding]:
    if violations is None:
        return
    full: set[str] = set()
    if inputs.balances is not None:
        full = set(inputs.balances.loc[inputs.balances["document_bytes"] >= CRITICAL_BYTES, "organization_id"])
    states = weeks.states()
    of_clock, clock = of_a_wrong_clock(violations, inputs.suspects, weeks.as_of)
    if clock is not None:
        yield clock
    for row in records(violations.loc[~of_clock]):
        organization, rule = text(row, "organization_id"), text(row, "rule")
        is_compensated = text_or_none(row, "compensated_by") is not None
        week = text(row, "ref_id").removeprefix(SETTLEMENT) if rule in _OF_A_WEEK else ""
        yield Finding(
            kind="ledger_violation",
            organization_id=organization,
            subject=week or text_or_none(row, "entry_id") or organization,
            severity=severity.of_violation(rule, states.get(week), organization in full, is_compensated),
            units=number(row, "units"),
            cause=rule,
            explanation=text(row, "detail"),
            # one break, which is only told more mildly once it is old
            aspect="expiry_too_much" if rule == "expiry_in_full" else rule,
            verdict="too_small" if is_compensated else None,
            money=_money_of_violation(row, week),
        )


def _money_of_violation(row: dict[str, object], week: str) -> tuple[str, ...]:
    """What else may tell the units of a violation."""
    organization, entry = text(row, "organization_id"), text_or_none(row, "entry_id")
    reference, rule = text_or_none(row, "ref_id"), text(row, "rule")
    if week:
        return (settlement_money(organization, week),)
    money = () if entry is None else (entry_money(organization, entry),)
    if rule != "duplicate_ref" or reference is None:
        return money
    clawback = clawback_of(reference)
    dispute = clawback.dispute_id if clawback else reinstated_dispute(reference)
    return (*money, _again(dispute)) if dispute else money


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
    reset = evidence.loc[set_back & ~in_doubt(evidence), "week"]
    differ = evidence.loc[evidence["rule"] == "amounts_differ", "week"]
    week = violations["organization_id"] + "/" + violations["ref_id"].fillna("").str.removeprefix(SETTLEMENT)
    return (violations["rule"] == "settlement_half_applied") & week.isin(reset) & week.isin(differ)


def _plain(frame: pd.DataFrame | None, positions: pd.DataFrame | None = None) -> Iterator[Finding]:
    """Findings that their rules have put into words: of disputes, whose positions tell the charges, and of payments."""
    charges = {} if positions is None else dict(zip(positions["dispute_id"], positions["charge_id"], strict=True))
    for row in records(frame) if frame is not None else []:
        kind, subject = text(row, "kind"), text(row, "subject")
        yield Finding(
            kind=kind,
            organization_id=text_or_none(row, "organization_id"),
            subject=subject,
            severity=severity.OF_KIND[kind],
            units=number(row, "units"),
            cause=text_or_none(row, "cause"),
            explanation=text(row, "explanation"),
            verdict="undecided" if kind == "topup_payment_unknown" else None,
            money=_money_of_payment(kind, subject, charges),
        )


def _money_of_payment(kind: str, subject: str, charges: Mapping[str, str]) -> tuple[str, ...]:
    """What else may tell the units of a dispute or a charge."""
    if kind in ("dispute_credit_due", "dispute_parked", "dispute_credit_wrong_units"):
        return (f"credit {subject}",)
    if kind in ("dispute_clawed_back_twice", "dispute_credited_twice"):
        return (_again(subject),)
    if kind in ("topup_in_another_ledger", "dispute_clawback_missing", "refund_clawback_missing"):
        return (f"units of {charges.get(subject, subject)}",)
    return ()


def _again(dispute: str) -> str:
    return f"again {dispute}"


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
