"""`billing-dq dispute`: the timeline of a dispute across Stripe and ledger, from a stored night."""

import json

import click
from rich.console import Console
from rich.table import Table as RichTable

from billing_dq.reconcile.disputes.timeline import Timeline, timeline
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.tables import DISPUTE_ENTRIES, DISPUTE_POSITIONS, PACK_PURCHASES, STRIPE_DISPUTES


@click.command(name="dispute")
@click.argument("dispute")
@click.option("--night", metavar="YYYY-MM-DD", help="The night; the newest stored one by default.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(dispute: str, night: str | None, as_json: bool) -> None:
    """Show the timeline of a dispute (du_... or dp_...), with the arithmetic of what is due."""
    lake = Lake(load_settings().home)
    chosen, stored = lake.newest(DISPUTE_POSITIONS, night)
    positions = stored.frame()
    disputes, entries, purchases = (
        lake.newest(table, chosen)[1].frame() for table in (STRIPE_DISPUTES, DISPUTE_ENTRIES, PACK_PURCHASES)
    )
    try:
        story = timeline(dispute, disputes, entries, purchases, positions)
    except LookupError:
        raise click.ClickException(
            f"no dispute {dispute} among the {len(positions):,} of the night of {chosen}; "
            "`billing-dq export dispute_positions` lists them"
        ) from None
    row = positions[positions["dispute_id"] == dispute]
    if as_json:
        (position,) = json.loads(row.to_json(orient="records"))
        click.echo(json.dumps({"night": chosen, "position": position, **_plain(story)}, indent=1))
        return
    organization = row["organization_id"].iloc[0]
    owner = f"of organization {organization}" if isinstance(organization, str) else "of no known organization"
    click.echo(f"Dispute {dispute} {owner}, on the night of {chosen}")
    Console().print(_table(story))
    click.echo("\n".join(story.arithmetic))


def _plain(story: Timeline) -> dict[str, object]:
    events = [{**vars(event), "at": event.at.isoformat()} for event in story.events]
    return {"events": events, "arithmetic": list(story.arithmetic)}


def _table(story: Timeline) -> RichTable:
    table = RichTable()
    for name in ("when (UTC)", "where", "what", "how much", "reference"):
        table.add_column(name, justify="right" if name == "how much" else "left", overflow="fold")
    for event in story.events:
        unit = "units" if event.unit == "units" else f"{event.unit} minor"
        when = event.at.strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(when, event.side, event.event, f"{event.amount:,.0f} {unit}", event.reference)
    return table
