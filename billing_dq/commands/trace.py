"""`billing-dq trace`: everything that the stored nights know of one id, in time order."""

import json
import textwrap

import click

from billing_dq.catalog.trace import EVENT_COLUMNS, trace
from billing_dq.catalog.views import nights_database
from billing_dq.commands.shared.console import say
from billing_dq.report.figures import rows_of
from billing_dq.report.visible import visible
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake

_WIDTH = 80


@click.command(name="trace")
@click.argument("searched", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON list instead of lines.")
def command(searched: str, as_json: bool) -> None:
    """Show everything that the stored nights know of one ID, in time order.

    ID is of an organization, attribution key, checkout session, charge, refund, dispute, subscription, customer,
    invoice, event, ledger entry, document or finding. What hangs on it at Stripe comes along: the refunds of a charge,
    the invoices of a subscription. Nothing is asked of MongoDB or Stripe.
    """
    lake = Lake(load_settings().home)
    with nights_database(lake) as database:
        events = trace(database, searched)
    if events.empty:
        raise click.ClickException(f"no stored night has anything of {searched}; an id is compared as a whole")
    rows = rows_of(events, EVENT_COLUMNS)
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    say(f"{searched}: {len(rows):,} events")
    for row in rows:
        nights = str(row["night"]) if row["night"] == row["last_night"] else f"{row['night']} to {row['last_night']}"
        of = "" if row["organization_id"] in (None, searched) else f", organization {row['organization_id']}"
        say(f"{str(row['at'])[:19].replace('T', ' ')}  {row['source']}{of}")
        text = f"{visible(str(row['text']))} (nights {nights})"
        for line in textwrap.wrap(text, _WIDTH - 4, break_long_words=False, break_on_hyphens=False):
            say(f"    {line}")
