"""`billing-dq alerts`: whether the routes of the alerts reach their targets."""

import click

from billing_dq.alerts.desk import Desk
from billing_dq.alerts.message import Message
from billing_dq.settings import load_settings
from billing_dq.vocabulary.alerts import FILE_ROUTE

_TEST = Message(
    "billing_dq: a test",
    "This is a test of a route of billing_dq's alerts. Nothing is wrong, and nothing needs to be done.",
    "info",
)


@click.group(name="alerts")
def command() -> None:
    """Try the routes of the section [alerts] of the settings."""


@command.command(name="test")
@click.option("--route", metavar="NAME", help="Only this route. Without it: every route.")
def test(route: str | None) -> int:
    """Send a test message to every route, once and without retries, and say which arrived.

    Exit status: 0 every target took it, 2 one did not.
    """
    desk = Desk(load_settings())
    if route is not None and route not in desk.routes:
        raise click.ClickException(f"there is no route {route}; routes: {', '.join(desk.routes)}")
    failed = False
    for name in [route] if route else list(desk.routes):
        reason = desk.send(name, _TEST)
        failed |= reason is not None
        if reason is not None:
            click.echo(f"FAILED    {name}: {reason}")
        elif name == FILE_ROUTE and desk.routes[name].url is None:
            click.echo(
                f"file      {name}: no target; its messages only stand in {desk.settings.state_directory}/alerts.jsonl"
            )
        else:
            click.echo(f"delivered {name}")
    return 2 if failed else 0
