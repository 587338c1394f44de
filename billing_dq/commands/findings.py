"""`billing-dq findings`: the findings of a stored night, worst first."""

import json

import click
import pandas as pd
from rich.console import Console
from rich.table import Table as RichTable

from billing_dq.reconcile.findings.severity import SEVERITIES, rank
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.tables import FINDINGS


@click.command(name="findings")
@click.option("--night", metavar="YYYY-MM-DD", help="The night; the newest stored one by default.")
@click.option("--kind", help="Only findings of this kind.")
@click.option("--organization", help="Only findings of this organization (24 hex characters).")
@click.option(
    "--severity", type=click.Choice(SEVERITIES), default="info", show_default=True, help="At least so severe."
)
@click.option("--resolved", is_flag=True, help="Show resolved findings too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one list.")
def command(
    night: str | None, kind: str | None, organization: str | None, severity: str, resolved: bool, as_json: bool
) -> None:
    """List the findings of a stored night, worst first."""
    chosen, stored = Lake(load_settings().home).newest(FINDINGS, night)
    findings = select(stored.frame(), kind, organization, severity, resolved)
    if as_json:
        click.echo(json.dumps(json.loads(findings.to_json(orient="records")), indent=1))
    else:
        _show(chosen, findings)


def select(
    findings: pd.DataFrame, kind: str | None, organization: str | None, severity: str, resolved: bool
) -> pd.DataFrame:
    """The findings asked for, worst first: by severity, then by money, then by id."""
    severe = rank(findings["severity"])
    keep = severe >= SEVERITIES.index(severity)
    if not resolved:
        keep &= findings["state"] != "resolved"
    if kind is not None:
        keep &= findings["kind"] == kind
    if organization is not None:
        keep &= findings["organization_id"] == organization
    order = pd.DataFrame({"rank": -severe, "money": -findings["usd_cents"].abs(), "id": findings["finding_id"]})
    return findings.loc[order[keep].sort_values(["rank", "money", "id"]).index]


def _show(night: str, findings: pd.DataFrame) -> None:
    table = RichTable(title=f"{len(findings):,} findings of the night of {night}", title_justify="left")
    table.add_column("severity")
    table.add_column("kind")
    table.add_column("organization")
    table.add_column("subject")
    table.add_column("USD", justify="right")
    table.add_column("state")
    table.add_column("why", overflow="fold")
    for row in findings.to_dict("records"):
        table.add_row(
            row["severity"],
            row["kind"],
            row["organization_id"] if isinstance(row["organization_id"], str) else "",
            row["subject"],
            f"{row['usd_cents'] / 100:,.2f}",
            f"{row['state']}, {row['nights_open']} nights",
            row["explanation"],
        )
    Console().print(table)
