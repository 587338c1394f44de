"""`billing-dq findings`: the findings of a stored night, worst first, and which of them people accepted."""

import getpass
import json
from datetime import UTC, date, datetime

import click
import pandas as pd
from rich.console import Console

from billing_dq.commands.shared.console import clipped, say
from billing_dq.reconcile.findings.acceptance import with_acceptances
from billing_dq.reconcile.findings.severity import SEVERITIES, rank
from billing_dq.reconcile.findings.standing import is_accepted, is_open, verdicts
from billing_dq.report.cards import cards, incident_of
from billing_dq.report.evidence.display import day
from billing_dq.report.words import money_either_way
from billing_dq.report.workbook import as_csv
from billing_dq.settings import load_settings
from billing_dq.storage.acceptances import AcceptanceLog
from billing_dq.storage.lake import Lake
from billing_dq.tables import ACCEPTANCES, FINDINGS, METER_EXTRAS_EVIDENCE


def _not_blank(_context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty", param=parameter)
    return value


_by = click.option("--by", callback=_not_blank, help="Who you are; your login name by default.")
_why = click.option("--why", required=True, callback=_not_blank, help="The reason, for whoever reads it later.")
#: Findings and incidents that are shown without `--all`.
_SHOWN = 10
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON list.")


@click.group(name="findings", invoke_without_command=True)
@click.option("--night", metavar="YYYY-MM-DD", help="A stored night, by its date. Without it: the newest one.")
@click.option("--kind", help="Only findings of this kind, such as ledger_violation.")
@click.option("--organization", help="Only findings of the organization with this id, 24 hexadecimal digits.")
@click.option(
    "--severity",
    type=click.Choice(SEVERITIES),
    default="info",
    show_default=True,
    help="Only findings of this severity and worse ones.",
)
@click.option("--resolved", is_flag=True, help="Show resolved findings too.")
@click.option("--all", "form", flag_value="all", help="Show all of them, not only the first ten.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV for a workbook.")
@click.option("--json", "form", flag_value="json", help="Print one JSON list.")
@click.pass_context
def command(
    context: click.Context,
    night: str | None,
    kind: str | None,
    organization: str | None,
    severity: str,
    resolved: bool,
    form: str | None,
) -> None:
    """List the findings of a stored night, worst first; accept what cannot be undone.

    An incident of many organizations is one entry of the list. `billing-dq explain ID` shows what stands behind one.
    """
    if context.invoked_subcommand is not None:
        return
    chosen, findings = _findings(night)
    found = select(findings, kind, organization, severity, resolved)
    if form == "json":
        click.echo(_as_json(found))
    elif form == "csv":
        click.echo(as_csv(found), nl=False)
    else:
        empty = f"No finding of the night of {chosen} is open" + (" and fits." if len(findings) else ".")
        _show(chosen, found, None if form == "all" else _SHOWN, empty)


@command.command(name="accept")
@click.argument("finding_id", metavar="ID")
@_why
@click.option("--until", metavar="YYYY-MM-DD", help="The last night on which it holds; no such night by default.")
@_by
def accept(finding_id: str, why: str, until: str | None, by: str | None) -> None:
    """Accept the finding ID of the newest night as it is.

    It stays in the table and is red no more: checks and exit statuses pass over it. It comes back when it grows (in
    units, money or severity), changes its cause, was resolved and is found again, or after the night --until.
    """
    night, finding = _open_finding(finding_id)
    until = None if until is None else _date(until)
    if until is not None and until < night:
        raise click.BadParameter(f"{until} is before the night of the finding, {night}", param_hint="--until")
    _record(night, finding, accepted=True, by=by, why=why, until=until)
    click.echo(f"{finding_id} ({finding['kind']}) is accepted" + (f" until the night of {until}" if until else ""))


@command.command(name="unaccept")
@click.argument("finding_id", metavar="ID")
@_why
@_by
def unaccept(finding_id: str, why: str, by: str | None) -> None:
    """Take the acceptance of the finding ID back: it counts again."""
    night, finding = _open_finding(finding_id)
    if not isinstance(finding["accepted_by"], str):
        raise click.ClickException(f"{finding_id} is not accepted")
    _record(night, finding, accepted=False, by=by, why=why, until=None)
    click.echo(f"{finding_id} ({finding['kind']}) counts again")


@command.command(name="accepted")
@_json
def accepted(as_json: bool) -> None:
    """List the findings of the newest night that are accepted."""
    night, findings = _findings(None)
    found = select(findings.loc[is_accepted(findings)], None, None, "info", False)
    if as_json:
        click.echo(_as_json(found))
    else:
        _show(night, found, None, f"Nobody has accepted a finding of the night of {night}.")


def select(
    findings: pd.DataFrame, kind: str | None, organization: str | None, severity: str, resolved: bool
) -> pd.DataFrame:
    """The findings asked for, worst first: by severity, then by money, then by id."""
    severe = rank(findings["severity"])
    keep = severe >= SEVERITIES.index(severity)
    if not resolved:
        keep &= is_open(findings)
    if kind is not None:
        keep &= findings["kind"] == kind
    if organization is not None:
        keep &= findings["organization_id"] == organization
    order = pd.DataFrame({"rank": -severe, "money": -findings["usd_cents"].abs(), "id": findings["finding_id"]})
    return findings.loc[order[keep].sort_values(["rank", "money", "id"]).index]


def accept_finding(finding_id: str, why: str, by: str) -> None:
    """Accept an open finding of the newest night as it is, without an end.

    Raises:
        click.ClickException: there is no such finding.
    """
    night, finding = _open_finding(finding_id)
    _record(night, finding, accepted=True, by=by, why=why, until=None)


def _findings(night: str | None) -> tuple[str, pd.DataFrame]:
    """A stored night, the newest by default, with what was accepted since it was taken."""
    settings = load_settings()
    chosen, stored = Lake(settings.home).choose(FINDINGS, night)
    frame = stored.frame()
    return chosen, with_acceptances(frame, frame, AcceptanceLog(settings.home).read(), chosen)


def _open_finding(finding_id: str) -> tuple[str, dict[str, object]]:
    night, findings = _findings(None)
    found = findings.loc[findings["finding_id"] == finding_id]
    if not is_open(found).any():
        raise click.ClickException(f"{finding_id} is no open finding of the night of {night}: see billing-dq findings")
    return night, {str(name): value for name, value in found.iloc[0].items()}


def _record(
    night: str, finding: dict[str, object], accepted: bool, by: str | None, why: str, until: str | None
) -> None:
    """Append the decision about a finding as it stands."""
    as_it_is = {name: finding[name] for name in ("finding_id", "kind", "severity", "units", "usd_cents", "cause")}
    decision = {"night": night, "accepted": accepted, "by": by or _login(), "why": why, "until": until}
    record = ACCEPTANCES.from_rows([{**as_it_is, **decision, "at": datetime.now(UTC)}])
    AcceptanceLog(load_settings().home).append(record)


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        raise click.UsageError("say who you are with --by: this system does not know your login name") from None


def _date(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise click.BadParameter(f"{text!r} is no date such as 2026-12-31", param_hint="--until") from None


def _as_json(findings: pd.DataFrame) -> str:
    return json.dumps(json.loads(findings.to_json(orient="records", date_format="iso")), indent=1)


def _show(night: str, findings: pd.DataFrame, count: int | None, empty: str) -> None:
    """Two lines for each finding or incident; an id is never broken."""
    if findings.empty:
        click.echo(empty)
        return
    width = Console().width
    lake = Lake(load_settings().home)
    stored = lake.stored(METER_EXTRAS_EVIDENCE, night)
    incident = incident_of(findings, METER_EXTRAS_EVIDENCE.empty() if stored is None else stored.frame())
    to_act_on = findings[verdicts(findings) == "unexplained"]
    say(f"{len(findings):,} finding{'' if len(findings) == 1 else 's'} of the night of {day(night)}")
    say(f"{money_either_way(to_act_on['usd_cents'])}; {len(findings) - len(to_act_on):,} need nobody")
    listed = 0
    for card in cards(findings, incident, count):
        listed += len(card.finding_ids)
        say(clipped(f"{card.finding_ids[0]}  {card.title}", width))
        say(clipped(f"    {card.text}", width))
    if listed < len(findings):
        say(f"... {len(findings) - listed:,} more: --all")
