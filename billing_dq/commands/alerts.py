"""`billing-dq alerts`: whether the routes reach their targets, and what they were sent."""

import json
import textwrap
from dataclasses import asdict

import click

from billing_dq.alerts.message import Message
from billing_dq.alerts.notifier import Notifier
from billing_dq.alerts.outbox import Outbox
from billing_dq.settings import load_settings
from billing_dq.vocabulary.alerts import FILE_ROUTE

_TEST = Message(
    "billing_dq: a test",
    "This is a test of a route of billing_dq's alerts. Nothing is wrong, and nothing needs to be done.",
    "info",
)


@click.group(name="alerts")
def command() -> None:
    """Try the routes of the section [alerts] of the settings, and list what they were sent."""


@command.command(name="test")
@click.option("--route", metavar="NAME", help="Only this route. Without it: every route.")
def test(route: str | None) -> int:
    """Send a test message to every route, once and without retries, and say which arrived.

    Exit status: 0 every target took it, 2 one did not.
    """
    notifier = Notifier(load_settings())
    if route is not None and route not in notifier.routes:
        raise click.ClickException(f"there is no route {route}; routes: {', '.join(notifier.routes)}")
    failed = False
    for name in [route] if route else list(notifier.routes):
        reason = notifier.send(name, _TEST)
        failed |= reason is not None
        if reason is not None:
            click.echo(f"FAILED    {name}: {reason}")
        elif name == FILE_ROUTE and notifier.routes[name].url is None:
            click.echo(f"file      {name}: no target; its notifications stay in the outbox: `billing-dq alerts list`")
        else:
            click.echo(f"delivered {name}")
    return 2 if failed else 0


@command.command(name="list")
@click.option("--newest", default=20, show_default=True, type=click.IntRange(1), help="How many notifications.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def list_(newest: int, as_json: bool) -> None:
    """List the newest notifications, oldest first, and which of them still wait."""
    notifications = Outbox(load_settings().state_directory).newest(newest)
    if as_json:
        click.echo(json.dumps([asdict(notification) for notification in notifications], default=str))
        return
    if not notifications:
        click.echo("No route has been notified of anything yet.")
    for notification in notifications:
        state = (
            "waits" if notification.delivered_at is None else f"delivered {notification.delivered_at:%Y-%m-%d %H:%M}"
        )
        click.echo(f"{notification.created_at:%Y-%m-%d %H:%M} UTC, route {notification.route}, {state}")
        click.echo(textwrap.indent(f"{notification.message.title}\n{notification.message.text}\n", "  "))
