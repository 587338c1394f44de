"""`billing-dq explain`: one organization's week, from a stored night and without touching the database."""

import json
import re
from dataclasses import asdict
from datetime import datetime

import click
import pandas as pd
from rich.console import Console

from billing_dq.commands.shared.console import print_line, table_of
from billing_dq.reconcile.meter.sentences import number
from billing_dq.report.week import ToldWeek, read_week
from billing_dq.settings import load_settings
from billing_dq.weeks import Week


@click.command(name="explain")
@click.argument("organization")
@click.argument("week_key", metavar="WEEK")
@click.option("--night", metavar="YYYY-MM-DD", help="A stored night, by its date. Without it: the newest one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of tables.")
def command(organization: str, week_key: str, night: str | None, as_json: bool) -> None:
    """Explain line by line how an organization's usage of a week became the debits of that week.

    ORGANIZATION is its id, 24 hexadecimal digits; WEEK is an ISO week such as 2026-W47. All of it comes from a stored
    night; the queries at the end show the raw documents in mongosh.
    """
    if not re.fullmatch(r"[0-9a-f]{24}", organization):
        raise click.ClickException(f"{organization!r} is no organization id: 24 hexadecimal digits are needed")
    try:
        week = Week.parse(week_key)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    told = read_week(load_settings(), organization, week, night)
    if as_json:
        click.echo(_as_json(told))
    else:
        _show(told)


def _as_json(told: ToldWeek) -> str:
    plain = {name: None if pd.isna(value) else value for name, value in told.delta.items()}  # type: ignore[call-overload]
    content = {"night": told.night, **plain, **asdict(told.found), "mongosh": told.queries}
    return json.dumps(content, indent=1, default=lambda value: value.isoformat())


def _show(told: ToldWeek) -> None:
    console = Console()
    delta, found = told.delta, told.found
    title = f"{delta['organization_id']} in {delta['week_key']} ({delta['week_state']}), night of {told.night}"
    print_line(console, f"{title}: {delta['grade']}")
    print_line(console, str(delta["explanation"]))
    lines = [(line.name, "" if line.units is None else number(line.units), line.note) for line in found.lines]
    console.print(table_of("From usage to debits", ("", "units", ""), lines, right=("units",)))
    if found.steps:
        steps = [
            (
                step.key,
                "" if step.debited is None else number(step.debited),
                _instant(step.at),
                step.entry_id,
                step.remark,
            )
            for step in found.steps
        ]
        headings = ("key", "debited", "at", "entry", "")
        console.print(table_of("Keys, in commit order", headings, steps, right=("debited",)))
    if found.other_entries:
        others = [
            (entry.entry_id, entry.kind, entry.ref_id, number(entry.amount), _instant(entry.at), entry.remark)
            for entry in found.other_entries
        ]
        headings = ("entry", "kind", "refId", "amount", "at", "")
        console.print(table_of("Other entries of the week", headings, others, right=("amount",)))
    for query in told.queries:
        print_line(console, query)


def _instant(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
