"""`billing-dq dispute`: the timeline of a dispute across Stripe and ledger, from a stored night."""

import json

import click
from rich.console import Console
from rich.table import Table

from billing_dq.commands.shared.console import say, table_of
from billing_dq.reconcile.disputes.timeline import Timeline, timeline
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.tables import DISPUTE_ENTRIES, DISPUTE_POSITIONS, PACK_PURCHASES, STRIPE_DISPUTES


@click.command(name="dispute")
@click.argument("dispute")
@click.option("--night", metavar="YYYY-MM-DD", help="A stored night, by its date. Without it: the newest one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of the table.")
def command(dispute: str, night: str | None, as_json: bool) -> None:
    """Show what became of one dispute, from a stored night; nothing is asked of MongoDB or Stripe.

    DISPUTE is the id at Stripe, du_... or dp_... It prints what Stripe took and gave back and what the ledger took and
    gave back, in order of time, and from both the units that are still due.
    """
    lake = Lake(load_settings().home)
    chosen, stored = lake.choose(DISPUTE_POSITIONS, night)
    positions = stored.frame()
    disputes, entries, purchases = (
        lake.require(table, chosen).frame() for table in (STRIPE_DISPUTES, DISPUTE_ENTRIES, PACK_PURCHASES)
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
    say(f"Dispute {dispute} {owner}, on the night of {chosen}")
    Console().print(_table(story))
    for line in story.arithmetic:
        say(line)


def _plain(story: Timeline) -> dict[str, object]:
    events = [{**vars(event), "at": event.at.isoformat()} for event in story.events]
    return {"events": events, "arithmetic": list(story.arithmetic)}


def _table(story: Timeline) -> Table:
    rows: list[tuple[str, str, str, str, str]] = []
    for event in story.events:
        unit = "units" if event.unit == "units" else f"{event.unit} minor"
        when = event.at.strftime("%Y-%m-%d %H:%M:%S")
        rows.append((when, event.side, event.event, f"{event.amount:,.0f} {unit}", event.reference))
    return table_of(None, ("when (UTC)", "where", "what", "how much", "reference"), rows, right=("how much",))
