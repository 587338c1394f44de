"""`billing-dq serve`: the stored nights in a browser, on this machine only."""

import click

from billing_dq.commands.shared.stopping import StopSignals
from billing_dq.serving.app import application
from billing_dq.serving.server import serving
from billing_dq.settings import load_settings


@click.command(name="serve")
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8321,
    show_default=True,
    help="Port of this machine to serve on; 0 takes a free one.",
)
@click.option("--open", "show", is_flag=True, help="Open the first page in the browser.")
def command(port: int, show: bool) -> None:
    """Show all stored nights in a browser: their reports, every organization over time, the runbook.

    It answers to this machine only, reads what is stored and writes nothing. Ctrl-C ends it. From another machine:
    ssh -L 8321:127.0.0.1:8321 HOST, and then http://127.0.0.1:8321/ there.
    """
    with StopSignals() as stop, serving(application(load_settings()), port) as address:
        click.echo(f"{address} - Ctrl-C ends it")
        if show:
            click.launch(address)
        stop.wait()
