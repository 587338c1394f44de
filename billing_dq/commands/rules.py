"""`billing-dq rules`: rules of your own, tried on a stored night without a run."""

from pathlib import Path

import click
from rich.console import Console

from billing_dq.commands.shared.console import print_line, table_of, text_of
from billing_dq.rules.contracts import contract_checks
from billing_dq.rules.evaluation import NightTables
from billing_dq.rules.expectation import Outcome
from billing_dq.rules.reading import OWN_CHECKS, read_file
from billing_dq.rules.rule import Rule
from billing_dq.rules.running import judge_rule, missing_tables
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.tables import NIGHTLY_REPORT


@click.group(name="rules")
def command() -> None:
    """Rules of your own: YAML files in the folder that the setting rules_folder names (docs/rules.md)."""


@command.command(name="check")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--night", metavar="YYYY-MM-DD", help="A stored night, by its date. Without it: the newest one.")
def check(file: Path, night: str | None) -> int:
    """Judge the rules of a file on a stored night, and print the rows that break them. Nothing is stored.

    Exit status: 0 all are green, 1 one is red, 2 the file or the night cannot be used.
    """
    settings, console = load_settings(), Console()
    lake = Lake(settings.home)
    rules = read_file(file, dict.fromkeys(contract_checks(), OWN_CHECKS))
    chosen, _ = lake.choose(NIGHTLY_REPORT, night)
    as_of, tables = SnapshotFactsRecord.require(lake.home, chosen).as_of, NightTables(lake, chosen)
    passed = True
    for rule in rules:
        missing = missing_tables(rule, tables)
        if missing:
            print_line(console, f"not run: {rule.name} on {rule.table}: the night has no {', '.join(missing)}")
            continue
        outcome = judge_rule(rule, tables, as_of)
        passed &= outcome.passed
        _show(console, rule, outcome)
    return 0 if passed else 1


def _show(console: Console, rule: Rule, outcome: Outcome) -> None:
    verdict = "green" if outcome.passed else f"red ({rule.severity})"
    print_line(console, f"{verdict}: {rule.name} on {rule.table}: {outcome.sentence}")
    if not outcome.rows:
        return
    names = list(outcome.rows[0])
    cells = [[row[name] for name in names] for row in outcome.rows]
    if console.is_terminal:
        numeric = [
            name for place, name in enumerate(names) if all(isinstance(row[place], int | float) for row in cells)
        ]
        console.print(table_of(None, names, cells, right=numeric))
    else:
        for line in (names, *cells):
            print_line(console, "  " + "  ".join(text_of(cell) for cell in line))
    if outcome.broken > len(cells):
        print_line(console, f"  ... and {outcome.broken - len(cells):,} more")
