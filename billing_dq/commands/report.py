"""`billing-dq report`: the report of a stored night, as one page and as Markdown."""

import webbrowser

import click

from billing_dq.report.night import read_night
from billing_dq.report.storing import store_report
from billing_dq.settings import load_settings


@click.command(name="report")
@click.argument("night", required=False, metavar="[NIGHT]")
@click.option("--open", "show", is_flag=True, help="Open the page in the browser.")
def command(night: str | None, show: bool) -> None:
    """Write the report of a stored night anew, and print where its page and its Markdown are.

    NIGHT is its date, YYYY-MM-DD; without it: the newest one. `billing-dq nightly` writes the report of its night by
    itself; this command writes it again, for instance with what was accepted since. The page needs nothing beside it
    and can be sent to whoever may see the findings.
    """
    settings = load_settings()
    path = store_report(settings, read_night(settings, night))
    click.echo(path)
    click.echo(path.with_suffix(".md"))
    if show:
        webbrowser.open(path.absolute().as_uri())
