"""`billing-dq demo`: a simulated company with planted faults, two nights of it, and a credit in between.

Everything is its own: home, MongoDB, Stripe, Dagster's history. What it made is kept until the next demo. The company's
clock stands at yesterday, when the first night is taken. Then Dagster's daemon finds the reinstated disputes and
credits them, and the second night, now, shows their findings gone.
"""

import contextlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from billing_dq.commands.nightly import quiet_dagster
from billing_dq.commands.shared.console import print_line, progress_here, table_of
from billing_dq.commands.shared.stopping import StopSignals
from billing_dq.reconcile.findings.standing import is_open
from billing_dq.settings import Settings, load_settings
from billing_dq.storage.lake import Lake
from billing_dq_simulation.commands.demonstration.home import SETTINGS, demo_home, what_next
from billing_dq_simulation.commands.demonstration.sink import Sink, alert_sink
from billing_dq_simulation.config import WorldConfig, settings_toml
from billing_dq_simulation.embedded import embedded_mongodb
from billing_dq_simulation.faults.catalogue import MALFORMED, parse_faults
from billing_dq_simulation.loader import LoadedWorld, load
from billing_dq_simulation.local_stripe import serve

if TYPE_CHECKING:
    from billing_dq.runner import StoredNight

_DATABASE = "app"
#: Most kinds of fault a few times in a company of some hundred organizations, and few documents that are unreadable.
_RATE, _MALFORMED_RATE, _CREDIT_RATE = 0.015, 0.002, 0.08
_KEY = "rk_live_demo"


@click.command(name="demo")
@click.option("--ui", is_flag=True, help="Start the Dagster UI afterwards, to look at the demo's runs; Ctrl-C ends it.")
@click.option(
    "--organizations",
    type=click.IntRange(20, 20_000),
    default=250,
    show_default=True,
    help="How many organizations the simulated company has.",
)
@click.option(
    "--nights",
    type=click.IntRange(2, 14),
    help="Take so many nights, up to now, with something happening before each of the first five, and print one line "
    "about each. Without it: two nights in full, and the credits of disputes in between.",
)
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="Seed of the simulation: the same seed makes the same company.",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep settings, database and results in this empty or new directory. Without it: in .billing_dq/demo, "
    "which the next demo replaces.",
)
def command(ui: bool, organizations: int, nights: int | None, seed: int, keep: Path | None) -> int:
    """Show what this tool does on a simulated company, without any set-up.

    It starts a MongoDB and a local Stripe of its own, plants faults, takes two nights and credits the disputes that are
    due in between. Nothing of yours is read or written.
    """
    console = Console()
    with StopSignals() as stop, quiet_dagster(), contextlib.ExitStack() as stack:
        home = stack.enter_context(demo_home(keep))
        first = _days_ago((nights or 2) - 1)
        config = WorldConfig(seed=seed, organizations=organizations, as_of=first, faults=_faults())
        _say(console, f"Starting an embedded MongoDB and a local Stripe under {home}")
        server = stack.enter_context(embedded_mongodb(home / "mongodb"))
        world = load(config, server.uri, _DATABASE, progress=progress_here())
        stripe = stack.enter_context(serve(world.stripe))
        sink = stack.enter_context(alert_sink())
        settings = _configure(home, config, server.uri, stripe.url, sink.url())
        stack.callback(stop.shield)
        if nights is None:
            _two_nights(console, settings, config, world, stop, sink)
        else:
            _many_nights(console, settings, config, nights, stop)
        if ui:
            _serve_ui(console, settings, stop)
    return 0


def _two_nights(
    console: Console, settings: Settings, config: WorldConfig, world: LoadedWorld, stop: StopSignals, sink: Sink
) -> None:
    from billing_dq.commands.shared.night_summary import show
    from billing_dq.runner import open_instance, run_night
    from billing_dq_simulation.commands.demonstration.services import (
        apply_through_the_daemon,
        show_planted,
        verified_audit,
    )

    with open_instance(settings) as instance:
        _say(console, f"Night 1: the company as it stood at {config.as_of:%Y-%m-%d %H:%M} UTC")
        first = run_night(settings, instance, config.as_of, progress=progress_here())
        stop.raise_if_asked()
        show(first, settings, console)
        _say_notified(console, sink)
        show_planted(console, world.labels, first, settings)
        due = apply_through_the_daemon(console, settings, first)
        _say(console, "Night 2: now")
        second = run_night(settings, instance, progress=progress_here())
        stop.raise_if_asked()
        _say_notified(console, sink)
        resolved = second.findings[~is_open(second.findings)]
        gone = resolved[(resolved["kind"] == "dispute_credit_due") & resolved["subject"].isin(due)]
        _say(console, f"{len(second.open_findings):,} findings open, {len(resolved):,} resolved since the first night")
        _say(console, f"{len(gone):,} of {len(due):,} due dispute credits were given and are no finding any more")
        _say(console, verified_audit(settings))
    _end(console, settings, second)


def _many_nights(console: Console, settings: Settings, config: WorldConfig, nights: int, stop: StopSignals) -> None:
    from billing_dq.runner import open_instance, run_night
    from billing_dq_simulation.commands.demonstration.nights import COLUMNS, Company, line_of

    assert settings.mongodb_uri is not None
    company = Company(config, settings.mongodb_uri.get_secret_value(), settings.mongodb_database)
    lines: list[tuple[str | int, ...]] = []
    last: StoredNight | None = None
    with open_instance(settings) as instance:
        for number in range(1, nights + 1):
            before = company.before_first() if last is None else company.before(number, last)
            _say(console, f"Night {number} of {nights}: {before}")
            instant = config.as_of + timedelta(days=number - 1)
            taken = run_night(settings, instance, instant, progress=progress_here())
            stop.raise_if_asked()
            lines.append(line_of(taken, last))
            last = taken
    console.print(table_of("The findings, night by night", COLUMNS, lines, right=COLUMNS[1:]))
    if last is not None:
        _end(console, settings, last)


def _end(console: Console, settings: Settings, last: "StoredNight") -> None:
    shown = what_next(Path(os.environ["BILLING_DQ_CONFIG"]), last.night, last.open_findings, last.deltas)
    _say(console, f"Report: {Lake(settings.home).report_path(last.night)}")
    for line in ("Try on what is kept:", *(f"  {command}" for command in shown)):
        _say(console, line)


def _say_notified(console: Console, sink: Sink) -> None:
    """Print the messages that the route of the demo received."""
    for message in sink.new_messages() or ["  none: nothing is new"]:
        for line in ("Alert, as the route demo received it:", *message.split("\n")):
            print_line(console, line)


def _serve_ui(console: Console, settings: Settings, stop: StopSignals) -> None:
    from billing_dq_simulation.commands.demonstration.services import dagster_ui

    with dagster_ui(settings) as address:
        _say(console, f"The Dagster UI is at {address} - Ctrl-C stops it and everything else")
        stop.wait()


def _configure(home: Path, config: WorldConfig, uri: str, stripe_url: str, sink_url: str) -> Settings:
    """The demo's own settings, for this process and for those that it starts."""
    for name in [name for name in os.environ if name.startswith("BILLING_DQ_")]:
        del os.environ[name]
    file = home / SETTINGS
    file.write_text(
        f'home = "{home.as_posix()}/home"\nweeks_back = {config.weeks - 1}\nstripe_base_url = "{stripe_url}"\n'
        f'{settings_toml(config, _DATABASE)}\n[credits]\nmode = "apply"\n'
        '[alerts.routes.demo]\nseverity = "error"\n',
        encoding="utf-8",
    )
    os.environ |= {
        "BILLING_DQ_CONFIG": str(file),
        "BILLING_DQ_MONGODB_URI": uri,
        "BILLING_DQ_MONGODB_WRITE_URI": uri,
        "BILLING_DQ_STRIPE_API_KEY": _KEY,
        "BILLING_DQ_ALERTS__ROUTES__DEMO__URL": sink_url,
        "DAGSTER_HOME": str(home / "dagster"),
    }
    return load_settings()


def _faults() -> dict[str, float]:
    rates = dict(parse_faults(f"all={_RATE}"))
    rates |= {kind: _MALFORMED_RATE for kind in rates if kind in MALFORMED}
    return rates | {"credit_due": _CREDIT_RATE}


def _days_ago(days: int) -> datetime:
    return (datetime.now(UTC) - timedelta(days=days)).replace(microsecond=0)


def _say(console: Console, text: str) -> None:
    print_line(console, text, style="bold")
