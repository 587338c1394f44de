"""Where the demo keeps what it made, and what can be tried on it afterwards."""

import contextlib
import fcntl
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pandas as pd

from billing_dq.errors import SettingsError
from billing_dq.reconcile.findings.standing import verdicts
from billing_dq.report.figures import rows_of
from billing_dq.report.verdicts import in_order_of_work
from billing_dq.report.words import command
from billing_dq.tables import FINDINGS

#: Where a demo is kept that nobody gave a directory; the next one replaces it.
DEFAULT = Path(".billing_dq") / "demo"
SETTINGS = "billing_dq.toml"


@contextlib.contextmanager
def demo_home(keep: Path | None) -> Iterator[Path]:
    """A directory for the demo: the given one, which has to be empty, or `DEFAULT`, emptied. A demo that is stopped on
    the way leaves nothing in `DEFAULT`; one that failed leaves its logs.

    Raises:
        SettingsError: the directory cannot be made or locked.
        click.ClickException: it holds something else, or another demo is running in it.
    """
    directory = (keep or DEFAULT).absolute()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise SettingsError(f"{directory} cannot be made: {error.strerror}") from None
    try:
        _claim(directory, lock, replace=keep is None)
        yield directory
    except KeyboardInterrupt:
        if keep is None:
            _remove(directory)
        raise
    finally:
        os.close(lock)


def what_next(config: Path, night: str, findings: pd.DataFrame, deltas: pd.DataFrame) -> list[str]:
    """Commands that work on what the demo kept: the findings, the first one to look at, and all of it in a browser.

    Args:
        config: the demo's settings file.
        night: YYYY-MM-DD.
        findings: `FINDINGS` that the night found open.
        deltas: `METER_EXTRAS_DELTAS` of the night.
    """
    first = rows_of(in_order_of_work(findings, verdicts(findings)), FINDINGS.column_names)
    shown = ["billing-dq findings", *(command(row, night) for row in first[:1]), "billing-dq serve --open"]
    environment = f"BILLING_DQ_CONFIG={shlex.quote(os.path.relpath(config))}"
    return [f"{environment} {shlex.quote(sys.argv[0])}{line.removeprefix('billing-dq')}" for line in shown]


def _claim(directory: Path, lock: int, replace: bool) -> None:
    """Lock the directory, as long as this process lives, and empty it where it holds an earlier demo."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise click.ClickException(f"another demo is running in {directory}; --keep DIR takes another place") from None
    content = list(directory.iterdir())
    if content and not (replace and (directory / SETTINGS).exists()):
        raise click.ClickException(f"{directory} is not empty; the demo wants a directory of its own")
    for path in content:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _remove(directory: Path) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    with contextlib.suppress(OSError):  # what else is there stays
        directory.parent.rmdir()
