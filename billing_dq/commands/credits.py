"""`billing-dq credits`: what is due to reinstated disputes, approving it, applying it, and proving what was done."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict

import click

from billing_dq.commands.shared.console import say
from billing_dq.credits import anchor as anchoring
from billing_dq.credits import approvals, parking, validation, verification
from billing_dq.credits.agreement import audit_log, differences
from billing_dq.credits.anchor import anchors_of_nights, whole_log
from billing_dq.credits.audit import AuditError, AuditReading, Record, Subject
from billing_dq.credits.plan import AFTERWARDS, CreditPlan
from billing_dq.credits.planner import plans_of_night
from billing_dq.credits.requests import CreditOutcome, CreditRequest, RunBudget
from billing_dq.credits.run import apply_all, candidates, credits_off, open_applier, plan_now
from billing_dq.errors import SourceError
from billing_dq.settings import Settings, load_settings
from billing_dq.sources.mongodb.organization_ledger import open_organization_reader

_FOR_A_PERSON = ("needs_approval", "above_cap", "parked", "refused")


def _checked(check: Callable[[str], str]) -> Callable[[click.Context, click.Parameter, str | None], str | None]:
    """A click callback that refuses what ``check`` refuses, with its one line."""

    def callback(_context: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
        try:
            return None if value is None else check(value)
        except ValueError as error:
            raise click.ClickException(str(error)) from None

    return callback


_dispute = click.argument("dispute", callback=_checked(validation.dispute_id))
_organization = click.argument("organization", callback=_checked(validation.organization_id))
_plan = click.option(
    "--plan",
    "plan_hash",
    required=True,
    callback=_checked(validation.plan_hash),
    help="The plan's hash, from `credits show`: this very plan or none.",
)
_by = click.option("--by", required=True, callback=_checked(validation.person), help="Who you are; it goes on record.")
_why = click.option(
    "--why",
    required=True,
    callback=_checked(validation.why),
    help="Your reason, 10 to 500 characters; it goes on record.",
)
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.group(name="credits")
def command() -> None:
    """Give back the units of disputes that were won: list what is due, approve it, write it, prove what was written.

    The setting credits.mode says how far this goes: off, propose (the default, nothing is written) or apply.
    """


@command.command(name="list")
@click.option("--night", metavar="YYYY-MM-DD", help="A stored night, by its date. Without it: the newest one.")
@click.option("--all", "everything", is_flag=True, help="List disputes that nothing is due for, too.")
@_json
def list_plans(night: str | None, everything: bool, as_json: bool) -> None:
    """List what is due to disputes, from a stored night; nothing is asked of MongoDB or Stripe."""
    settings = load_settings()
    reading = whole_log(settings)
    records = reading.records
    stored = plans_of_night(settings, parking.OnRecord.of(reading), night)
    plans = [plan for plan in stored.plans if everything or plan.decision != "nothing_due"]
    if as_json:
        rows = [_plan_row(plan, records) for plan in plans]
        click.echo(json.dumps({"night": stored.night, "mode": settings.credits.mode, "plans": rows}, indent=1))
        return
    say(f"Credits on the night of {stored.night}, mode {settings.credits.mode}")
    if not plans:
        say("No dispute is due a credit" + ("." if everything or not stored.plans else "; --all lists the others."))
    for plan in plans:
        for line in _plan_lines(plan, records):
            say(line)


@command.command(name="show")
@_dispute
@_json
def show(dispute: str, as_json: bool) -> None:
    """Show what is due to one dispute now, and what the audit log says about it.

    DISPUTE is the id at Stripe, du_... or dp_... Stripe and MongoDB are read again for it.
    """
    settings = load_settings()
    records = whole_log(settings).records
    plan = plan_now(settings, dispute)
    history = [record for record in records if record.dispute_id == dispute]
    if as_json:
        row = _plan_row(plan, records)
        click.echo(json.dumps({"plan": row, "history": [asdict(record) for record in history]}, indent=1))
        return
    for name, value in _plan_row(plan, records).items():
        say(f"{name.replace('_', ' '):18} {'' if value is None else value}")
    if plan.units:
        say(AFTERWARDS)
    for record in history:
        say(f"{record.at}  {record.kind:16} {record.actor}  {record.why}")


@command.command(name="approve")
@_dispute
@_plan
@_by
@_why
def approve(dispute: str, plan_hash: str, by: str, why: str) -> None:
    """Approve the plan of one dispute, where its size needs a person's approval.

    DISPUTE is the id at Stripe. The approval is good for the plan with this hash and for no other. It is made under the
    login of the operating system that runs this command: who asks for the credit under the same login, or the same
    name, is not another person.
    """
    settings = load_settings()
    plan = plan_now(settings, dispute)
    try:
        approvals.approve(audit_log(settings), plan, plan_hash, by, why)
    except approvals.CreditError as error:
        raise click.ClickException(str(error)) from None
    say(f"{dispute}: {plan.units:,.0f} units approved by {by}")


@command.command(name="apply")
@click.argument("dispute", required=False, callback=_checked(validation.dispute_id))
@click.option(
    "--plan",
    "plan_hash",
    callback=_checked(validation.plan_hash),
    help="The plan's hash, from `credits show`; required for a single dispute.",
)
@click.option(
    "--by",
    callback=_checked(validation.person),
    help="Who you are; required for a single dispute, your login name otherwise.",
)
@click.option(
    "--why",
    callback=_checked(validation.why),
    help="Your reason, 10 to 500 characters; required for a single dispute.",
)
@_json
def apply(dispute: str | None, plan_hash: str | None, by: str | None, why: str | None, as_json: bool) -> int:
    """Write the credits that are due and approved, of all disputes or of one DISPUTE.

    In the mode propose it shows what would be written. Exit status: 0 done, 1 a credit waits for a person, 2 a credit
    could not be written.
    """
    settings = load_settings()
    if dispute is None and plan_hash is not None:
        raise click.ClickException("--plan needs the dispute that the plan is of")
    why_off = credits_off(settings)
    if why_off is not None:
        raise click.ClickException(why_off)
    if dispute is not None:
        if plan_hash is None or by is None or why is None:
            raise click.ClickException(
                "a single dispute needs --plan, --by and --why; `billing-dq credits show` prints its plan"
            )
        return _apply_one(settings, CreditRequest(dispute, by, why, plan_hash, (by, approvals.login())), as_json)
    disputes = candidates(settings)
    if settings.credits.mode == "propose":
        plans = [plan_now(settings, name) for name in disputes]
        return _tell([_proposed(plan) for plan in plans], as_json)
    login = approvals.login()
    asked = CreditRequest("", by or login, why or "everything that is due", asking=(by or login, login))
    return _apply_everything(settings, disputes, asked, as_json)


@command.command(name="park")
@_organization
@_by
@_why
def park(organization: str, by: str, why: str) -> None:
    """Credit nothing to the ORGANIZATION of this id until it is unparked, whatever is due to it."""
    _switch(parking.park, organization, by, why, "parked")


@command.command(name="unpark")
@_organization
@_by
@_why
def unpark(organization: str, by: str, why: str) -> None:
    """Let the ORGANIZATION of this id be credited again."""
    _switch(parking.unpark, organization, by, why, "not parked any more")


@command.command(name="verify-audit")
@click.option(
    "--acknowledge",
    metavar="ENTRY|log",
    callback=_checked(validation.acknowledged),
    help="The id of a ledger entry that differs and that you have looked into: from now on it is no fault. Or the word "
    "log, where records of the log are lost: it is gone on with, and what was parked stays so.",
)
@click.option("--by", callback=_checked(validation.person), help="Who you are; required with --acknowledge.")
@click.option("--why", callback=_checked(validation.why), help="What you found out; required with --acknowledge.")
@click.option(
    "--anchor",
    metavar="NUMBER:HASH",
    callback=_checked(anchoring.anchor),
    help="The last record of the log as an earlier night told it, in its report or its run: the log must hold it.",
)
@_json
def verify_audit(acknowledge: str | None, by: str | None, why: str | None, anchor: str | None, as_json: bool) -> int:
    """Prove that the audit log is whole, and that guard, stored nights and ledgers agree with it, entry by entry.

    Exit status: 0 they agree, 1 they differ, 2 one of them cannot be read.
    """
    settings = load_settings()
    if acknowledge is not None:
        if by is None or why is None:
            raise click.ClickException("--acknowledge needs --by and --why")
        _acknowledge(settings, acknowledge, by, why)
    reading = audit_log(settings).read_chain()
    if anchor is not None and not anchoring.holds(reading.records, anchor):
        say(f"the audit log does not hold the record {anchor}: its end was cut off, or it was written anew", err=True)
        return 1
    lost = _lost(settings)
    with open_organization_reader(settings) as reader:
        entries, found = differences(settings, reader)
    faults = sum(difference.is_fault for difference in found) + (lost is not None)
    if as_json:
        click.echo(json.dumps(_audit_report(reading, entries, lost, found), indent=1))
        return 1 if faults else 0
    for difference in found:
        note = f" (acknowledged by {difference.acknowledged_by})" if difference.acknowledged_by else ""
        about = f"{difference.dispute_id}, entry {difference.entry_id}: {difference.detail}"
        say(f"{difference.problem}: {about}{note}")
    if lost is not None:
        say(f"records_lost: {lost}")
    torn = f", a torn last line of {reading.torn_bytes} bytes" if reading.torn_bytes else ""
    whole = "the chain is whole" if lost is None else "and some are lost"
    say(f"{len(reading.records):,} records, {whole}{torn}; {entries:,} entries; {faults} faults")
    return 1 if faults else 0


def _acknowledge(settings: Settings, what: str, by: str, why: str) -> None:
    log = audit_log(settings)
    if what == "log":
        aside = log.begin_anew(anchors_of_nights(settings).values(), by, why)
        if aside is not None:
            say(f"the damaged log was put aside: {aside}", err=True)
        return
    with open_organization_reader(settings) as reader:
        faults = {difference.entry_id for difference in differences(settings, reader)[1] if difference.is_fault}
    if what not in faults:
        raise click.ClickException(
            f"there is no fault about the entry {what}; `billing-dq credits verify-audit` lists them"
        )
    log.append("acknowledged", Subject(), by, why, {"entry_id": what})


def _lost(settings: Settings) -> str | None:
    """What guard and stored nights name and the log does not hold."""
    try:
        whole_log(settings)
    except AuditError as error:
        return str(error)
    return None


def _apply_one(settings: Settings, request: CreditRequest, as_json: bool) -> int:
    if settings.credits.mode == "propose":
        raise click.ClickException(
            'nothing was written: the setting credits.mode is propose; with "apply" credits are written'
        )
    with open_applier(settings, load_settings) as applier:
        outcome = applier.apply(request, RunBudget.of(settings))
    if outcome.state not in ("credited", "nothing_due"):
        raise click.ClickException(f"{request.dispute_id}: nothing was written: {outcome.state}: {outcome.reason}")
    return _tell([outcome], as_json)


def _apply_everything(settings: Settings, disputes: list[str], asked: CreditRequest, as_json: bool) -> int:
    outcomes: list[CreditOutcome] = []
    failed = False
    with open_applier(settings, load_settings) as applier:
        for dispute_id, outcome in apply_all(applier, disputes, asked, RunBudget.of(settings)):
            if isinstance(outcome, SourceError):
                say(f"billing-dq: {dispute_id}: {outcome}", err=True)
                failed = True
            else:
                outcomes.append(outcome)
    status = _tell(outcomes, as_json)
    return 2 if failed else status


def _tell(outcomes: list[CreditOutcome], as_json: bool) -> int:
    if as_json:
        click.echo(json.dumps([_outcome_row(outcome) for outcome in outcomes], indent=1))
    else:
        for outcome in outcomes:
            row = _outcome_row(outcome)
            say(f"{row['dispute_id']}: {row['state']}, {row['units']:,.0f} units ({row['reason']})")
        say(f"{sum(outcome.state == 'credited' for outcome in outcomes)} of {len(outcomes)} credited")
    if any(outcome.state == "stopped" for outcome in outcomes):
        return 2
    return 1 if any(outcome.state in _FOR_A_PERSON for outcome in outcomes) else 0


def _proposed(plan: CreditPlan) -> CreditOutcome:
    state = "proposed" if plan.decision == "due" else plan.decision
    return CreditOutcome(plan.dispute_id, state, plan.reason, 0.0, plan)


def _switch(switch: Callable[..., Record], organization: str, by: str, why: str, now: str) -> None:
    try:
        switch(audit_log(load_settings()), organization, by, why)
    except approvals.CreditError as error:
        raise click.ClickException(str(error)) from None
    say(f"organization {organization} is {now}")


def _plan_row(plan: CreditPlan, records: Iterable[Record]) -> dict[str, str | float | int | bool | None]:
    records = list(records)
    approved = approvals.approvals_of(records, plan)
    credited = any(record.kind == "verified" and record.dispute_id == plan.dispute_id for record in records)
    return {**asdict(plan), "approved_by": approved[-1].actor if approved else None, "credited": credited}


def _plan_lines(plan: CreditPlan, records: Iterable[Record]) -> tuple[str, str, str]:
    """A plan in lines of which each fits 80 columns."""
    row = _plan_row(plan, records)
    since = "credited" if row["credited"] else f"approved by {row['approved_by']}" if row["approved_by"] else ""
    units = f"{plan.units:,.0f} units, " if plan.units else ""
    decided = f"{units}{plan.decision}: {plan.reason}".replace("_", " ")
    return (
        f"{plan.dispute_id}  {decided}{f' ({since})' if since else ''}",
        f"    organization {plan.organization_id or 'unknown'}",
        f"    plan {plan.plan_hash}",
    )


def _outcome_row(outcome: CreditOutcome) -> dict[str, str | float | None]:
    plan = outcome.plan
    return {
        "dispute_id": outcome.dispute_id,
        "state": outcome.state,
        "reason": outcome.reason,
        "units": plan.units if plan and outcome.state == "proposed" else outcome.units,
        "entry_id": outcome.entry_id,
        "plan_hash": plan.plan_hash if plan else None,
    }


def _audit_report(
    reading: AuditReading, entries: int, lost: str | None, found: list[verification.Discrepancy]
) -> dict[str, object]:
    return {
        "records": len(reading.records),
        "torn_bytes": reading.torn_bytes,
        "entries": entries,
        "lost": lost,
        "faults": sum(difference.is_fault for difference in found) + (lost is not None),
        "differences": [asdict(difference) for difference in found],
    }
