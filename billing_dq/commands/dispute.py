"""`billing-dq dispute`: the timeline of a dispute across Stripe and ledger, from a stored night."""

import json

import click
from rich.console import Console

from billing_dq.commands.shared.console import say
from billing_dq.commands.shared.evidence_text import amount_lines, event_lines
from billing_dq.reconcile.disputes.timeline import timeline
from billing_dq.reconcile.findings.finding import records, text_or_none
from billing_dq.report.evidence.arithmetic import dispute_amounts
from billing_dq.report.evidence.display import day
from billing_dq.report.figures import plain
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.tables import DISPUTE_ENTRIES, DISPUTE_POSITIONS, PACK_PURCHASES, STRIPE_DISPUTES


@click.command(name="dispute")
@click.argument("dispute")
@click.option("--night", metavar="YYYY-MM-DD", help="A stored night, by its date. Without it: the newest one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(dispute: str, night: str | None, as_json: bool) -> None:
    """Show what became of one dispute, from a stored night; nothing is asked of MongoDB or Stripe.

    DISPUTE is the id at Stripe, du_... or dp_... It prints what Stripe took and gave back and what the ledger took and
    gave back, in order of time, and from both the units that are still due.
    """
    lake = Lake(load_settings().home)
    chosen, stored = lake.choose(DISPUTE_POSITIONS, night)
    positions = stored.frame()
    rows = records(positions[positions["dispute_id"] == dispute])
    try:
        events = timeline(
            dispute,
            *(lake.require(table, chosen).frame() for table in (STRIPE_DISPUTES, DISPUTE_ENTRIES, PACK_PURCHASES)),
        )
    except LookupError:
        rows, events = [], ()
    if not rows:
        raise click.ClickException(
            f"no dispute {dispute} among the {len(positions):,} of the night of {chosen}; "
            "`billing-dq export dispute_positions` lists them"
        )
    (position,) = rows
    amounts = [*dispute_amounts(position)]
    if as_json:
        plain_position = {name: plain(value) for name, value in position.items()}
        told = [{**vars(event), "at": event.at.isoformat()} for event in events]
        arithmetic = [vars(amount) for amount in amounts]
        click.echo(
            json.dumps(
                {"night": chosen, "position": plain_position, "events": told, "arithmetic": arithmetic}, indent=1
            )
        )
        return
    organization = text_or_none(position, "organization_id")
    owner = f"of organization {organization}" if organization else "of no known organization"
    say(f"Dispute {dispute} {owner}, on the night of {day(chosen)}")
    for line in [*event_lines(events), "", *amount_lines(amounts, Console().width)]:
        click.echo(line)
