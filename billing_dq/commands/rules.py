"""`billing-dq rules`: rules of your own, tried on a stored night without a run."""

from pathlib import Path

import click
from rich.console import Console

from billing_dq.commands.shared.console import print_line, print_rows
from billing_dq.rules.judging import NightTables, judge_rules
from billing_dq.rules.reading import OWN_CHECKS, read_file
from billing_dq.rules.results import Verdict, verdicts_of
from billing_dq.rules.suites import Rule, names_in_use
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
    rules = read_file(file, dict.fromkeys(names_in_use(), OWN_CHECKS))
    chosen, _ = lake.choose(NIGHTLY_REPORT, night)
    tables = NightTables(lake, chosen, SnapshotFactsRecord.require(lake.home, chosen).as_of)
    passed = True
    for rule in rules:
        missing = tables.lacks(rule)
        if missing:
            print_line(console, f"not run: {rule.name} on {rule.table}: the night has no {', '.join(missing)}")
            continue
        for verdict in verdicts_of(judge_rules(tables, rule.table, [rule])):
            passed &= verdict.passed
            _show(console, rule, verdict)
    return 0 if passed else 1


def _show(console: Console, rule: Rule, verdict: Verdict) -> None:
    colour = "green" if verdict.passed else f"red ({rule.expectation.severity})"
    print_line(console, f"{colour}: {rule.name} on {rule.table}: {verdict.sentence}")
    if not verdict.rows:
        return
    names = list(verdict.rows[0])
    cells = [[row[name] for name in names] for row in verdict.rows]
    print_rows(console, None, names, cells if console.is_terminal else [names, *cells])
    if verdict.broken > len(cells):
        print_line(console, f"  ... and {verdict.broken - len(cells):,} more")
