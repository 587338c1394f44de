"""What the demo starts beside itself, and what it prints about the planted faults."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pandas as pd
from rich.console import Console

from billing_dq.commands.shared.console import print_line
from billing_dq.credits import verification
from billing_dq.credits.run import audit_log
from billing_dq.errors import SourceError
from billing_dq.runner import StoredNight, dagster_home
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.organization_ledger import open_organization_reader
from billing_dq.storage.lake import Lake
from billing_dq.tables import DISPUTE_POSITIONS, METER_EXTRAS_EVIDENCE
from billing_dq.vocabulary.references import REINSTATEMENT, reinstatement_ref
from billing_dq_simulation.embedded import free_port

_CREDIT_SECONDS = 600.0  # seven runs, one after the other: a minute on an idle machine
_UI_SECONDS = 60.0
_MODULE = ("-m", "billing_dq.definitions")


def show_planted(console: Console, labels: pd.DataFrame, night: StoredNight, settings: Settings) -> None:
    """Print how many of the planted faults the night found, by kind of fault."""
    evidence = Lake(settings.home).require(METER_EXTRAS_EVIDENCE, night.night).frame()
    tellable = labels[labels["tellable"]]
    found = was_found(tellable, night.open_findings, evidence)
    lines = [f"Planted faults: {int(found.sum())} of {len(tellable)} found"]
    for kind, group in tellable.assign(found=found).groupby("fault"):
        missed = int((~group["found"]).sum())
        lines.append(f"  {kind}: {len(group) - missed} found" + (f", {missed} MISSED" if missed else ""))
    untold = len(labels) - len(tellable)
    if untold:
        lines.append(f"  and {untold} that the data cannot tell")
    for line in lines:
        print_line(console, line)


def was_found(labels: pd.DataFrame, findings: pd.DataFrame, evidence: pd.DataFrame) -> "pd.Series[bool]":
    """Whether a finding of the label's kind, organization and subject is there; small differences are evidence only."""
    found = set(zip(findings["kind"], findings["organization_id"].fillna(""), findings["subject"], strict=True))
    proved = set(zip(evidence["organization_id"], evidence["week_key"], strict=True))
    return pd.Series(
        [
            (kind, organization, subject) in found
            or (kind == "meter_extras_divergence" and (organization, subject) in proved)
            for kind, organization, subject in zip(
                labels["finding_kind"], labels["organization_id"].fillna(""), labels["subject"], strict=True
            )
        ],
        index=labels.index,
        dtype="bool",
    )


def apply_through_the_daemon(console: Console, settings: Settings, night: StoredNight) -> list[str]:
    """Run Dagster's daemon until its sensor has credited every dispute that is due; the disputes.

    Raises:
        SourceError: it did not get that far in time.
    """
    positions = Lake(settings.home).stored(DISPUTE_POSITIONS, night.night)
    frame = positions.frame() if positions else DISPUTE_POSITIONS.empty()
    due = frame[(frame["decision"] == "due") & (frame["due_units"] <= settings.credits.approve_above_units)]
    disputes = sorted(due["dispute_id"])
    if not disputes:
        print_line(console, "No reinstated dispute is due: nothing to credit")
        return []
    units = float(due["due_units"].sum())
    print_line(
        console,
        f"Credits: {len(disputes)} reinstated disputes are due, {units:,.0f} units; "
        "Dagster's daemon and its sensor reinstated_disputes apply them ...",
    )
    wanted = {reinstatement_ref(dispute) for dispute in disputes}
    with _background(settings, "dagster-daemon", "run", *_MODULE) as process:
        deadline = time.monotonic() + _CREDIT_SECONDS
        while not wanted <= _credited(settings):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SourceError(f"the daemon did not credit them in time; see {_log(settings, 'dagster-daemon')}")
            time.sleep(0.5)
        _wait_for_runs(deadline)
    print_line(console, f"  credited: {', '.join(disputes)}")
    return disputes


def _wait_for_runs(deadline: float) -> None:
    """Wait until no run in `DAGSTER_HOME` is under way: a run ended half-way has failed."""
    statuses = dg.DagsterRunStatus
    under_way = [statuses.QUEUED, statuses.NOT_STARTED, statuses.STARTING, statuses.STARTED]
    with dg.DagsterInstance.get() as instance:
        while instance.get_runs(dg.RunsFilter(statuses=under_way)) and time.monotonic() < deadline:
            time.sleep(0.3)


def verified_audit(settings: Settings) -> str:
    """The audit log's chain and its agreement with the ledgers, as one line.

    Raises:
        SourceError: they do not agree.
    """
    records = audit_log(settings).read().records
    with open_organization_reader(settings) as reader:
        entries = reader.credits(REINSTATEMENT)
    faults = [one for one in verification.compare(records, entries, REINSTATEMENT) if one.is_fault]
    if faults:
        raise SourceError(f"the audit log and the ledgers differ: {faults[0].problem}: {faults[0].detail}")
    return f"Audit: {len(records):,} records, the chain is whole, {len(entries):,} entries in the ledgers agree with it"


@contextlib.contextmanager
def dagster_ui(settings: Settings) -> Iterator[str]:
    """Dagster's web server and daemon; the address, once it answers.

    Raises:
        SourceError: it does not.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (
        _background(settings, "dagster-webserver", "-h", "127.0.0.1", "-p", str(port), *_MODULE) as process,
        _background(settings, "dagster-daemon", "run", *_MODULE),
    ):
        deadline = time.monotonic() + _UI_SECONDS
        while True:
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/server_info", timeout=2):
                break
            if time.monotonic() > deadline or process.poll() is not None:
                raise SourceError(f"the Dagster UI did not start; see {_log(settings, 'dagster-webserver')}")
            time.sleep(0.3)
        yield address


@contextlib.contextmanager
def _background(settings: Settings, program: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a process group of its own, all of which is ended with the block."""
    command = [str(Path(sys.executable).with_name(program)), *arguments]
    with _log(settings, program).open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        for number in (signal.SIGTERM, signal.SIGKILL):  # the second for what the first left of the group
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)


def _log(settings: Settings, program: str) -> Path:
    return dagster_home(settings) / f"{program}.log"


def _credited(settings: Settings) -> set[str]:
    with open_organization_reader(settings) as reader:
        return {entry.ref_id for entry in reader.credits(REINSTATEMENT)}
