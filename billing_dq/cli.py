"""The `billing-dq` command. Each subcommand is a module of `billing_dq.commands` that is imported when it is used.

Exit status: 0 nothing to act on, 1 findings at or above the asked severity, 2 the work could not be done, 130 stopped
by SIGINT or SIGTERM. An error is one line on standard error, without a traceback and without a secret.
"""

import errno
import importlib
import os
import sys
import tempfile
import time
from importlib import metadata
from typing import Literal

import click

from billing_dq.errors import SettingsError, SourceError
from billing_dq.report.visible import visible

#: Subcommands and the line that `--help` shows, so that help does not import them.
COMMANDS = {
    "init": "Write commented settings, examples of rules and the roles for MongoDB into a directory.",
    "nightly": "Reconcile one night: read MongoDB and Stripe, compare, print the findings.",
    "explain": "Explain how an organization's usage of a week became its debits.",
    "dispute": "Show what became of one dispute, at Stripe and in the ledger.",
    "trace": "Show everything that the stored nights know of one id, in time order.",
    "findings": "List the findings of a stored night, worst first.",
    "report": "Write the report of a stored night as a page and as Markdown.",
    "serve": "Show all stored nights in a browser, on this machine only.",
    "mcp": "Serve the stored nights to an assistant, read only, by the Model Context Protocol.",
    "schema": "Print what the documents look like: fields, types, words, and what changed.",
    "seal": "Prove what the ledgers of a stored night held, by one root over all of them.",
    "credits": "Give back the units of disputes that were won.",
    "alerts": "Send a test message to the routes of the alerts.",
    "rules": "Try rules of your own on a stored night, without a run.",
    "sql": "Query all stored nights with one SELECT, read only.",
    "catalog": "Write a DuckDB file of views over all stored nights, for notebooks and BI tools.",
    "export": "Write one table of a stored night as CSV, JSON or Parquet.",
    "doctor": "Try every part this installation needs, and say how to mend what fails.",
}
#: Subcommands of the proof, which the extra `demo` brings as entry points of `ENTRY_POINTS`.
PROOF = {
    "demo": "Show what this tool does on a simulated company, without any set-up.",
    "simulate": "Load a simulated company, with faults, into a MongoDB of yours.",
    "score": "Measure how many planted faults are found, on simulated companies.",
    "bench": "Measure the time and memory of a night on a large company.",
}
ENTRY_POINTS = "billing_dq.commands"
#: Packages that an extra brings, by the name under which they are imported.
EXTRA_OF = {"mcp": "mcp", "prometheus_client": "ui", "starlette": "ui", "uvicorn": "ui"}


class LazyCommands(click.Group):
    """A group whose commands are imported on first use: Dagster alone costs more than a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table above."""
        return [*COMMANDS, *PROOF]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The click command of a name, None where there is none.

        Raises:
            click.ClickException: it needs an extra that is not installed.
        """
        if cmd_name in PROOF:
            return _command_of_the_proof(cmd_name)
        if cmd_name not in COMMANDS:
            return None
        try:
            return importlib.import_module(f"billing_dq.commands.{cmd_name}").command
        except ModuleNotFoundError as error:
            if error.name not in EXTRA_OF:
                raise
            raise _needs(cmd_name, EXTRA_OF[error.name]) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items(), *PROOF.items()])


def _command_of_the_proof(name: str) -> click.Command:
    for entry_point in metadata.entry_points(group=ENTRY_POINTS, name=name):
        return entry_point.load()
    raise _needs(name, "demo")


def _needs(name: str, extra: str) -> click.ClickException:
    return click.ClickException(f"`{name}` needs an extra; install it with: pip install 'billing-dq[{extra}]'")


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="billing-dq")
@click.option("--verbose", is_flag=True, help="Log on standard error what is done, one line for each event.")
@click.option(
    "--log",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the lines of --verbose.",
)
@click.pass_context
def cli(context: click.Context, verbose: bool, form: Literal["text", "json"]) -> None:
    """Prove every night that what was metered is what was charged.

    Settings come from billing_dq.toml and from variables BILLING_DQ_...; secrets from variables only. Start with
    `billing-dq demo`, which needs no settings, or with `billing-dq doctor`, which tries yours.
    """
    if not verbose:
        return
    from billing_dq.logs import configure, log  # not for `--help`

    configure(form)
    begun = time.monotonic()
    log("command begun", command=context.invoked_subcommand)
    context.call_on_close(
        lambda: log("command ended", command=context.invoked_subcommand, seconds=round(time.monotonic() - begun, 1))
    )


def main() -> None:
    """Run the command and end the process with its exit status."""
    try:
        status = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        _fail(error.format_message())
    except (SettingsError, SourceError) as error:
        _fail(str(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo("billing-dq: stopped", err=True)
        sys.exit(130)
    except Exception as error:
        from billing_dq.storage.places import why_not_usable  # not for `--help`

        reason = why_not_usable(error) or _why_not_printed(error)
        if reason is None:
            raise
        _fail(reason)
    sys.exit(status if isinstance(status, int) else 0)


def _why_not_printed(error: Exception) -> str | None:
    """What became of an output that its file or disk did not take; None where ``error`` is of something else."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return None
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes the rest when it ends
    return f"the output cannot be written: {error.strerror}; make room where it goes, or on {tempfile.gettempdir()}"


def _fail(message: str) -> None:
    click.echo(f"billing-dq: {visible(' '.join(message.split()))}", err=True)
    sys.exit(2)
