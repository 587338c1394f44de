"""`billing-dq doctor`: reach and name every part this installation needs, and say what to do about what is missing."""

import os

import click

from billing_dq.commands.shared.console import say
from billing_dq.errors import SourceError
from billing_dq.settings import Settings, load_settings
from billing_dq.sources.mongodb.diagnosis import Diagnosis, diagnose
from billing_dq.sources.stripe.api import probe
from billing_dq.storage.places import dagster_directory, why_not_writable

_SIGNS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


@click.command(name="doctor")
def command() -> int:
    """Try MongoDB, Stripe, the credits' settings and the places to write to, and say how to mend what fails.

    Nothing is changed. Exit status: 0 all parts work or are switched off, 2 a part fails.
    """
    settings = load_settings()
    lines = [*_mongodb(settings), _stripe(settings), _credits(settings), _home(settings.home), _dagster(settings.home)]
    for line in lines:
        say(f"{_SIGNS[line.state]} {line.part}: {line.detail}")
    return 2 if any(line.state == "failed" for line in lines) else 0


def _mongodb(settings: Settings) -> list[Diagnosis]:
    if settings.mongodb_uri is None:
        return [Diagnosis("MongoDB", "failed", "no address: set BILLING_DQ_MONGODB_URI (a read-only user is enough)")]
    try:
        return diagnose(settings)
    except SourceError as error:
        return [Diagnosis("MongoDB", "failed", str(error))]


def _stripe(settings: Settings) -> Diagnosis:
    if settings.stripe_api_key is None:
        return Diagnosis("Stripe", "warning", "not run: set BILLING_DQ_STRIPE_API_KEY (a restricted read-only key)")
    try:
        return Diagnosis("Stripe", "ok", probe(settings))
    except SourceError as error:
        return Diagnosis("Stripe", "failed", str(error))


def _credits(settings: Settings) -> Diagnosis:
    if settings.mongodb_write_uri is None:
        return Diagnosis("credits", "ok", "off: BILLING_DQ_MONGODB_WRITE_URI is not set, nothing can be written")
    return Diagnosis("credits", "ok", f"mode {settings.credits.mode}, with a write address of their own")


def _home(home: str) -> Diagnosis:
    reason = why_not_writable(home)
    if reason is not None:
        return Diagnosis("output location", "failed", f"{home} cannot be written: {reason}; set BILLING_DQ_HOME")
    return Diagnosis("output location", "ok", f"{home} can be written")


def _dagster(home: str) -> Diagnosis:
    directory = dagster_directory(home)
    reason = why_not_writable(str(directory))
    if reason is not None:
        return Diagnosis("Dagster home", "failed", f"{directory} cannot be written: {reason}; set DAGSTER_HOME")
    note = "" if os.environ.get("DAGSTER_HOME") else " (DAGSTER_HOME is not set)"
    return Diagnosis("Dagster home", "ok", f"{directory}{note}")
