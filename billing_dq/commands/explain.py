"""`billing-dq explain`: a finding, or an organization's week, from a stored night and without touching the database."""

import json
import re
from dataclasses import asdict
from datetime import datetime

import click
import pandas as pd
from rich.console import Console

from billing_dq.commands.shared.console import print_line, table_of
from billing_dq.commands.shared.evidence_text import evidence_lines
from billing_dq.reconcile.meter.sentences import number
from billing_dq.report.evidence.reading import read_evidence
from billing_dq.report.week import ToldWeek, read_week
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.weeks import Week


@click.command(name="explain")
@click.argument("name", metavar="FINDING")
@click.argument("week_key", metavar="[WEEK]", required=False)
@click.option("--night", metavar="YYYY-MM-DD", help="A stored night, by its date. Without it: the newest one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def command(name: str, week_key: str | None, night: str | None, as_json: bool) -> None:
    """Explain a finding: the money, the ledger's lines, Stripe's side, why it is believed, and the step to do.

    FINDING is its id, 16 hexadecimal digits, or the beginning of it: `billing-dq findings` lists them. With an
    ORGANIZATION in its place (24 digits) and a WEEK such as 2026-W47 it explains line by line how the usage of that
    week became its debits, whether or not anything is wrong. All of it comes from a stored night; nothing is asked of
    the database.
    """
    settings = load_settings()
    if week_key is None:
        evidence = read_evidence(settings, Lake(settings.home), _finding_id(name), night)
        lines = [json.dumps(evidence.as_data(), indent=1)] if as_json else evidence_lines(evidence, Console().width)
        for line in lines:
            click.echo(line)
        return
    if not re.fullmatch(r"[0-9a-f]{24}", name):
        raise click.ClickException(f"{name!r} is no organization id: 24 hexadecimal digits are needed")
    try:
        week = Week.parse(week_key)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    told = read_week(settings, name, week, night)
    if as_json:
        click.echo(_as_json(told))
    else:
        _show(told)


def _finding_id(text: str) -> str:
    if re.fullmatch(r"[0-9a-f]{24}", text):
        raise click.UsageError(f"{text} is an organization: give a week such as 2026-W47 with it, or a finding's id")
    if not re.fullmatch(r"[0-9a-f]{4,16}", text):
        raise click.ClickException(f"{text!r} is no finding's id: 16 hexadecimal digits, see `billing-dq findings`")
    return text


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
