"""`billing-dq findings`: the findings of a stored night, worst first, and which of them people accepted."""

import getpass
import json
from datetime import UTC, date, datetime

import click
import pandas as pd
from rich.console import Console

from billing_dq.commands.shared.console import table_of
from billing_dq.reconcile.findings.acceptance import with_acceptances
from billing_dq.reconcile.findings.severity import SEVERITIES, rank
from billing_dq.reconcile.findings.standing import is_accepted, is_open
from billing_dq.settings import load_settings
from billing_dq.storage.acceptances import AcceptanceLog
from billing_dq.storage.lake import Lake
from billing_dq.tables import ACCEPTANCES, FINDINGS


def _not_blank(_context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("it is empty", param=parameter)
    return value


_by = click.option("--by", callback=_not_blank, help="Who you are; your login name by default.")
_why = click.option("--why", required=True, callback=_not_blank, help="The reason, for whoever reads it later.")
_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON list instead of a table.")


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
@_json
@click.pass_context
def command(
    context: click.Context,
    night: str | None,
    kind: str | None,
    organization: str | None,
    severity: str,
    resolved: bool,
    as_json: bool,
) -> None:
    """List the findings of a stored night, worst first; accept what cannot be undone."""
    if context.invoked_subcommand is not None:
        return
    chosen, findings = _findings(night)
    found = select(findings, kind, organization, severity, resolved)
    if as_json:
        click.echo(_as_json(found))
    else:
        _show(chosen, found)


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
        _show(night, found)


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


def _show(night: str, findings: pd.DataFrame) -> None:
    rows = [
        (
            row["finding_id"],
            row["severity"],
            row["kind"],
            row["organization_id"] if isinstance(row["organization_id"], str) else "",
            row["subject"],
            f"{row['usd_cents'] / 100:,.2f}",
            f"{row['state']}, {row['nights_open']} nights",
            "" if pd.isna(row["broken_since"]) else f"{row['broken_since']:%Y-%m-%d}",
            row["first_seen"],
            row["explanation"]
            + _owner(row["same_money_as"])
            + _acceptance(row["accepted_by"], row["accepted_why"], row["accepted_until"]),
        )
        for row in findings.to_dict("records")
    ]
    title = f"{len(findings):,} findings of the night of {night}"
    headings = (
        "id",
        "severity",
        "kind",
        "organization",
        "subject",
        "USD",
        "state",
        "broken since",
        "first seen",
        "why",
    )
    Console().print(table_of(title, headings, rows, right=("USD",), whole=("id",)))


def _owner(finding_id: object) -> str:
    return f" (same money as {finding_id})" if isinstance(finding_id, str) else ""


def _acceptance(by: object, why: object, until: object) -> str:
    if not isinstance(by, str):
        return ""
    return f" (accepted{f' until {until}' if isinstance(until, str) else ''} by {by}: {why})"
