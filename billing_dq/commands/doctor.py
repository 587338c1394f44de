"""`billing-dq doctor`: reach and name every part this installation needs, and say what to do about what is missing."""

import os
import tempfile
from pathlib import Path

import click
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.settings import Settings, load_settings
from billing_dq.sources.mongodb.diagnosis import Diagnosis, diagnose
from billing_dq.sources.stripe.api import probe

_SIGNS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


@click.command(name="doctor")
def command() -> int:
    """Reach and name every part this installation needs; exit status 2 where one fails."""
    settings = load_settings()
    lines = [*_mongodb(settings), _stripe(settings), _credits(settings), _home(settings.home), _dagster(settings.home)]
    for line in lines:
        click.echo(f"{_SIGNS[line.state]} {line.part}: {line.detail}")
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
    try:
        directory = UPath(home)
        directory.mkdir(parents=True, exist_ok=True)
        probe_file = directory / f".doctor-{os.getpid()}"
        probe_file.write_text("")
        probe_file.unlink()
    except (OSError, ValueError, ImportError) as error:
        return Diagnosis("output location", "failed", f"{home} cannot be written: {error}; set BILLING_DQ_HOME")
    return Diagnosis("output location", "ok", f"{home} can be written")


def _dagster(home: str) -> Diagnosis:
    given = os.environ.get("DAGSTER_HOME")
    directory = Path(given) if given else Path(home) / "dagster"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        return Diagnosis("Dagster home", "failed", f"{directory} cannot be written: {error}; set DAGSTER_HOME")
    note = "" if given else " (DAGSTER_HOME is not set)"
    return Diagnosis("Dagster home", "ok", f"{directory}{note}")
