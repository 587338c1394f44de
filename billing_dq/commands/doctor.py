"""`billing-dq doctor`: reach and name every part this installation needs, and say what to do about what is missing."""

import os
from datetime import UTC, datetime

import click

from billing_dq.alerts.current_alerts import operation
from billing_dq.alerts.night import alerts_of_missing_nights
from billing_dq.alerts.notifier import AlertBatch, Notifier, undelivered
from billing_dq.alerts.targets import why_unusable
from billing_dq.commands.shared.console import say
from billing_dq.credits.agreement import require_agreement
from billing_dq.credits.anchor import whole_log
from billing_dq.credits.audit import AuditError
from billing_dq.credits.verification import Discrepancy
from billing_dq.errors import SettingsError, SourceError
from billing_dq.settings import Settings, load_settings
from billing_dq.sources.mongodb.diagnosis import Diagnosis, diagnose
from billing_dq.sources.mongodb.organization_ledger import open_organization_reader
from billing_dq.sources.stripe.api import probe
from billing_dq.storage.lake import Lake, night_of
from billing_dq.storage.manifests import NightManifest, differences
from billing_dq.storage.places import dagster_directory, why_not_writable
from billing_dq.storage.records import EvidenceRemovedRecord
from billing_dq.tables import ALERTS

_SIGNS = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


@click.command(name="doctor")
@click.option(
    "--alert",
    is_flag=True,
    help="Tell the routes of the alerts which parts fail and which nights are missing, and send what waits: for cron.",
)
@click.option(
    "--night",
    metavar="YYYY-MM-DD",
    help="Instead of the parts, hold every file of this stored night against the sizes and SHA-256 in its manifest.",
)
def command(alert: bool, night: str | None) -> int:
    """Try MongoDB, Stripe, the settings of credits and alerts, and the places to write to; say how to mend what fails.

    Nothing is changed, and nothing is sent without --alert. Exit status: 0 all parts work or are switched off, 2 a part
    fails, or with --alert: a night is missing, or a message was not delivered. With --night: 0 every file is as it was
    stored, 2 one is not.
    """
    settings = load_settings()
    if night is not None:
        if alert:
            raise click.UsageError("--night and --alert do not go together")
        return _of_night(Lake(settings.home), night_of(night))
    lines = [*_mongodb(settings), _stripe(settings), _credits(settings), *_routes(settings)]
    lines += [_home(settings.home), _dagster(settings.state_directory)]
    if alert:
        lines += _alerted(settings, lines)
    for line in lines:
        say(f"{_SIGNS[line.state]} {line.part}: {line.detail}")
    return 2 if any(line.state == "failed" for line in lines) else 0


def _of_night(lake: Lake, night: str) -> int:
    """Hold a stored night against its manifest, and print a line for each file that is not as it was stored."""
    if not lake.is_whole(night):
        raise SourceError(f"the night of {night} is not whole: `billing-dq nightly` on that date finishes it")
    manifest = NightManifest.of(lake, night)
    if manifest is None:
        raise SourceError(f"the night of {night} has no manifest under {lake.root}: it is not stored, or is old")
    removed = EvidenceRemovedRecord.of(lake.home, night)
    sentences = differences(lake, manifest, frozenset(removed.tables if removed else ()))
    for sentence in sentences:
        say(f"{_SIGNS['failed']} night of {night}: {sentence}; restore the night from a backup")
    if not sentences:
        gone = f"; {removed.reason}" if removed else ""
        say(f"{_SIGNS['ok']} night of {night}: {len(manifest.files)} files are as they were stored{gone}")
    return 2 if sentences else 0


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
    faults: list[Discrepancy] = []
    try:
        whole_log(settings)
        if settings.mongodb_uri is not None:
            with open_organization_reader(settings) as reader:
                faults = require_agreement(settings, reader)
    except AuditError as error:
        return Diagnosis("credits", "failed", f"nothing is credited: {error}")
    except SettingsError as error:
        if settings.mongodb_write_uri is not None:
            return Diagnosis("credits", "failed", str(error))
    except SourceError:
        pass  # MongoDB has a line of its own
    if faults:
        what = f"{len(faults)} credits differ between audit log and ledgers, first {faults[0].dispute_id}"
        return Diagnosis(
            "credits", "warning", f"{what} ({faults[0].problem}): `billing-dq credits verify-audit` lists them"
        )
    if settings.mongodb_write_uri is None:
        return Diagnosis("credits", "ok", "off: BILLING_DQ_MONGODB_WRITE_URI is not set, nothing can be written")
    return Diagnosis("credits", "ok", f"mode {settings.credits.mode}, with a write address of their own")


def _routes(settings: Settings) -> list[Diagnosis]:
    if not settings.alerts.routes:
        return [Diagnosis("alerts", "ok", "no route is set up: see the outbox with `billing-dq alerts list`")]
    reasons = {name: why_unusable(name, route) for name, route in settings.alerts.routes.items()}
    return [
        Diagnosis(f"alert route {name}", "failed" if reason else "ok", reason or "set up")
        for name, reason in reasons.items()
    ]


def _alerted(settings: Settings, lines: list[Diagnosis]) -> list[Diagnosis]:
    """Give in what fails and which nights are missing, and say what could not be delivered."""
    notifier, nights = Notifier(settings), alerts_of_missing_nights(settings, datetime.now(UTC))
    failed = [operation("failed_part", line.part, line.detail) for line in lines if line.state == "failed"]
    late = [
        Diagnosis("nights", "failed" if row["severity"] == "error" else "warning", str(row["sentence"]))
        for row in nights.alerts.to_dict("records")
    ]
    try:
        notifier.notify(AlertBatch("doctor", "the parts of this installation", ALERTS.from_rows(failed)))
        notifier.notify(nights)
        reason = undelivered(notifier.deliver())
    except SourceError as error:
        reason = str(error)
    sent = Diagnosis("alerts", "failed" if reason else "ok", reason or "every message was delivered")
    return [*(late or [Diagnosis("nights", "ok", "every night is there")]), sent]


def _home(home: str) -> Diagnosis:
    reason = why_not_writable(home)
    if reason is not None:
        return Diagnosis("output location", "failed", f"{home} cannot be written: {reason}; set BILLING_DQ_HOME")
    return Diagnosis("output location", "ok", f"{home} can be written")


def _dagster(state: str) -> Diagnosis:
    try:
        directory = dagster_directory(state)
    except SourceError as error:
        return Diagnosis("Dagster home", "failed", str(error))
    reason = why_not_writable(str(directory))
    if reason is not None:
        return Diagnosis("Dagster home", "failed", f"{directory} cannot be written: {reason}; set DAGSTER_HOME")
    note = "" if os.environ.get("DAGSTER_HOME") else " (DAGSTER_HOME is not set)"
    return Diagnosis("Dagster home", "ok", f"{directory}{note}")
