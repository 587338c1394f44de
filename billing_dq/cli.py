"""The `billing-dq` command. Each subcommand is a module of `billing_dq.commands` that is imported when it is used.

Exit status: 0 nothing to act on, 1 findings at or above the asked severity, 2 the work could not be done. An error is
one line on standard error, without a traceback and without a secret.
"""

import importlib
import sys

import click

from billing_dq.errors import SourceError
from billing_dq.settings import SettingsError

#: Subcommands and the line that `--help` shows, so that help does not import them.
COMMANDS = {
    "demo": "Run the main job on a simulated company in an embedded MongoDB.",
    "nightly": "Run the nightly job against the configured sources.",
    "explain": "Explain an organization's week, from a stored night.",
    "dispute": "Show the timeline of a dispute across Stripe and ledger.",
    "findings": "List the findings of a stored night.",
    "credits": "List, approve and apply the credits of reinstated disputes.",
    "export": "Write a stored table as CSV, JSON or Parquet.",
    "simulate": "Load a simulated company into a MongoDB.",
    "score": "Measure recall, precision and cause accuracy on simulated worlds.",
    "doctor": "Reach and name every part this installation needs.",
    "bench": "Measure a night on a large simulated company.",
}


class LazyCommands(click.Group):
    """A group whose commands are imported on first use: Dagster alone costs more than a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table above."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The click command of a name, None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"billing_dq.commands.{cmd_name}").command
        if not isinstance(command, click.Command):
            raise TypeError(f"billing_dq.commands.{cmd_name}.command is no click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Help, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyCommands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="billing-dq")
def cli() -> None:
    """Prove every night that what was metered is what was charged."""


def main() -> None:
    """Run the command and end the process with its exit status."""
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        _fail(error.format_message())
    except (SettingsError, SourceError) as error:
        _fail(str(error))
    except (KeyboardInterrupt, click.Abort):
        click.echo("billing-dq: stopped", err=True)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> None:
    click.echo(f"billing-dq: {' '.join(message.split())}", err=True)
    sys.exit(2)
