"""`billing-dq nightly`: take a night of the configured sources through Dagster, and say what was found."""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime

import click
import pandas as pd
from rich.console import Console

from billing_dq.progress import BarProgress, LineProgress, Progress
from billing_dq.reconcile.findings.acceptance import is_accepted
from billing_dq.reconcile.findings.severity import SEVERITIES
from billing_dq.settings import load_settings


@click.command(name="nightly")
@click.option("--as-of", metavar="INSTANT", help="The snapshot's instant, for simulated and restored databases.")
@click.option("--weeks-back", type=click.IntRange(0, 52), help="Weeks before the open one; the setting by default.")
@click.option("--again", is_flag=True, help="Read a stored night again and replace it.")
@click.option("--fail-on", type=click.Choice(SEVERITIES), default="error", show_default=True, help="Exit with 1 from.")
@click.option("--json", "as_json", is_flag=True, help="Print the night as one JSON object.")
def command(as_of: str | None, weeks_back: int | None, again: bool, fail_on: str, as_json: bool) -> int:
    """Run the nightly job against the configured sources.

    Exit status: 0 nothing to act on, 1 findings at or above --fail-on, 2 the work (or Stripe's part) was not done.
    """
    settings = load_settings()
    if weeks_back is not None:
        settings = settings.model_copy(update={"weeks_back": weeks_back})
    instant = None if as_of is None else parse_instant(as_of)
    with quiet_dagster():
        from billing_dq.commands.night_summary import as_data, show
        from billing_dq.runner import open_instance, run_night

        with open_instance(settings) as instance:
            result = run_night(settings, instance, instant, again, progress_here())
        if as_json:
            click.echo(json.dumps(as_data(result, settings), indent=1))
        else:
            show(result, settings, Console())
    if result.stripe.state == "failed":
        click.echo(f"billing-dq: Stripe could not be read: {result.stripe.reason}", err=True)
        return 2
    return 1 if at_or_above(result.open_findings, fail_on) else 0


def parse_instant(text: str) -> datetime:
    """An ISO 8601 instant; without a time zone it is UTC.

    Raises:
        click.BadParameter: it is none.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no instant such as 2026-11-21T03:10:00Z", param_hint="--as-of") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant


def at_or_above(findings: pd.DataFrame, severity: str) -> int:
    """How many findings that nobody accepted are at or above a severity."""
    severe = findings["severity"].isin(SEVERITIES[SEVERITIES.index(severity) :])
    return int((severe & ~is_accepted(findings)).sum())


def progress_here() -> Progress:
    """Bars on a terminal, lines on standard error elsewhere."""
    if Console(stderr=True).is_terminal:
        return BarProgress()
    return LineProgress(lambda line: click.echo(line, err=True))


@contextlib.contextmanager
def quiet_dagster() -> Iterator[None]:
    """Keep Dagster's own log and its notices about previews off the terminal; the history has them."""
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
