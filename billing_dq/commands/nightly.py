"""`billing-dq nightly`: take a night of the configured sources through Dagster, and say what was found."""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import click
import pandas as pd
from rich.console import Console

from billing_dq.commands.shared.console import Instant, progress_here, say
from billing_dq.commands.shared.stopping import StopSignals
from billing_dq.reconcile.findings.severity import SEVERITIES
from billing_dq.reconcile.findings.standing import is_accepted
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake, night_of
from billing_dq.vocabulary.severities import Severity

if TYPE_CHECKING:  # Dagster costs a second, also of `--help`
    from billing_dq.runner import CheckOutcome

_OF_CHECKS: dict[str, Severity] = {"ERROR": "error", "WARN": "warning"}


@click.command(name="nightly")
@click.option(
    "--as-of",
    type=Instant(),
    metavar="INSTANT",
    help="Take the night as if it were this instant (ISO 8601, UTC), for a simulated or restored database. "
    "The night is its date. Without it: now.",
)
@click.option(
    "--weeks-back",
    type=click.IntRange(0, 52),
    help="How many weeks before the current one to reconcile. Without it: the setting weeks_back.",
)
@click.option("--again", is_flag=True, help="Read a night that is stored already once more, and replace it.")
@click.option(
    "--without-night",
    multiple=True,
    metavar="YYYY-MM-DD",
    help="Go on without an earlier night that is damaged or cannot be concluded: it is hidden until it is concluded "
    "again. May be given more than once.",
)
@click.option(
    "--fail-on",
    type=click.Choice(SEVERITIES),
    default="error",
    show_default=True,
    help="End with exit status 1 if a finding of this severity or a worse one is open, or such a check is red.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the night as one JSON object instead of tables.")
def command(
    as_of: datetime | None,
    weeks_back: int | None,
    again: bool,
    without_night: tuple[str, ...],
    fail_on: str,
    as_json: bool,
) -> int:
    """Reconcile one night: read MongoDB and Stripe, compare, store the tables and print the findings.

    Exit status: 0 nothing to act on; 1 findings, or red checks of the data, at or above --fail-on; 2 the night, its
    comparison with Stripe or a result that rests on a broken table was not done, or not to its end; 130 stopped by
    SIGINT or SIGTERM.
    """
    settings = load_settings()
    if weeks_back is not None:
        settings = settings.model_copy(update={"weeks_back": weeks_back})
    with StopSignals() as stop, quiet_dagster():
        from billing_dq.commands.shared.night_summary import as_data, show
        from billing_dq.report.words import not_computed
        from billing_dq.runner import open_instance, run_night
        from billing_dq.storage.earlier_nights import leave_out

        for night in without_night:
            leave_out(Lake(settings.home), night_of(night))
        with open_instance(settings) as instance:
            result = run_night(settings, instance, as_of, again, progress_here())
        stop.raise_if_asked()
        if as_json:
            click.echo(json.dumps(as_data(result, settings), indent=1))
        else:
            show(result, settings, Console())
    if result.snapshot.incomplete_because:
        click.echo(f"billing-dq: the night is incomplete: {result.snapshot.incomplete_because}", err=True)
        return 2
    if result.stripe.state == "failed":
        say(f"billing-dq: Stripe could not be read: {result.stripe.reason}", err=True)
        return 2
    if result.absent:
        click.echo(f"billing-dq:{not_computed(result.absent)}", err=True)
        return 2
    return 1 if at_or_above(result.open_findings, fail_on) or red_at_or_above(result.checks, fail_on) else 0


def at_or_above(findings: pd.DataFrame, severity: str) -> int:
    """How many findings that nobody accepted are at or above a severity."""
    severe = findings["severity"].isin(SEVERITIES[SEVERITIES.index(severity) :])
    return int((severe & ~is_accepted(findings)).sum())


def red_at_or_above(checks: Iterable["CheckOutcome"], severity: str) -> int:
    """How many red checks are at or above a severity, without those that sum up findings: these are counted."""
    least = SEVERITIES.index(severity)
    red = (check for check in checks if not check.passed and check.speaks_for_itself)
    return sum(SEVERITIES.index(_OF_CHECKS[check.severity]) >= least for check in red)


@contextlib.contextmanager
def quiet_dagster() -> Iterator[None]:
    """Keep Dagster's own log and its notices about previews off the terminal; the history has them."""
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
