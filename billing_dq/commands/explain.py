"""`billing-dq explain`: one organization's week, from a stored night and without touching the database."""

import json
import re
from dataclasses import asdict
from datetime import datetime

import click
import pandas as pd
import pyarrow.parquet as pq
from rich.console import Console

from billing_dq.commands.shared.console import print_line, table_of
from billing_dq.reconcile.meter.sentences import number
from billing_dq.reconcile.meter.waterfall import Waterfall, waterfall
from billing_dq.report.night import plan_quotas
from billing_dq.settings import Collections, load_settings
from billing_dq.storage.arrow import to_pandas
from billing_dq.storage.batches import rows_of_organizations
from billing_dq.storage.lake import Lake
from billing_dq.tables import (
    FOLLOWED_ENTRIES,
    FOLLOWED_USAGE,
    LEDGER_ENTRIES,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    SUBSCRIPTIONS,
    WEEKLY_USAGE,
    Table,
)
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
    settings = load_settings()
    lake = Lake(settings.home)
    chosen, _ = lake.choose(METER_EXTRAS_DELTAS, night)
    rows = _of_organization(lake, METER_EXTRAS_DELTAS, chosen, organization)
    row = rows[rows["week_key"] == week.key]
    if row.empty:
        raise click.ClickException(_absent(organization, week.key, chosen, rows))
    evidence = _of_organization(lake, METER_EXTRAS_EVIDENCE, chosen, organization)
    subscription = _of_organization(lake, SUBSCRIPTIONS, chosen, organization)
    delta: dict[str, object] = {str(name): value for name, value in row.to_dict("records")[0].items()}
    found = waterfall(
        delta,
        evidence[evidence["week_key"] == week.key],
        rows_of_organizations(lake, chosen, WEEKLY_USAGE, FOLLOWED_USAGE, [organization]),
        rows_of_organizations(lake, chosen, LEDGER_ENTRIES, FOLLOWED_ENTRIES, [organization]),
        (week.start, week.end),
        plan_quotas(subscription, week, settings.quota_of_plan),
    )
    queries = mongosh(organization, week, settings.collections)
    if as_json:
        click.echo(_as_json(chosen, delta, found, queries))
    else:
        _show(chosen, delta, found, queries)


def mongosh(organization: str, week: Week, collections: Collections) -> list[str]:
    """Queries for `mongosh` that show the raw documents of the week."""
    bounds = ", ".join(
        f'{{{test}: ["$$entry.at", ISODate("{instant:%Y-%m-%dT%H:%M:%SZ}")]}}'
        for test, instant in (("$gte", week.start), ("$lt", week.end))
    )
    return [
        f'db.getCollection("{collections.billingusages}").find('
        f'{{organizationId: ObjectId("{organization}"), weekKey: "{week.key}"}})',
        f'db.getCollection("{collections.billingextrabalances}").aggregate(['
        f'{{$match: {{organization: ObjectId("{organization}")}}}}, '
        f'{{$project: {{cachedBalance: 1, ledger: {{$filter: {{input: "$ledger", as: "entry", '
        f"cond: {{$and: [{bounds}]}}}}}}}}}}])",
    ]


def _of_organization(lake: Lake, table: Table, night: str, organization: str) -> pd.DataFrame:
    """The rows of one organization; only the row groups that may hold it are read."""
    stored = lake.require(table, night)
    with stored.path.open("rb") as file:
        return to_pandas(table, pq.read_table(file, filters=[("organization_id", "==", organization)]))


def _absent(organization: str, week_key: str, night: str, rows: pd.DataFrame) -> str:
    if rows.empty:
        return f"the night of {night} has no usage and no debit of organization {organization}"
    weeks = ", ".join(sorted(rows["week_key"]))
    return f"the night of {night} has no usage and no debit of {organization} in {week_key}; its weeks: {weeks}"


def _as_json(night: str, delta: dict[str, object], found: Waterfall, queries: list[str]) -> str:
    plain = {name: None if pd.isna(value) else value for name, value in delta.items()}  # type: ignore[call-overload]
    content = {"night": night, **plain, **asdict(found), "mongosh": queries}
    return json.dumps(content, indent=1, default=lambda value: value.isoformat())


def _show(night: str, delta: dict[str, object], found: Waterfall, queries: list[str]) -> None:
    console = Console()
    title = f"{delta['organization_id']} in {delta['week_key']} ({delta['week_state']}), night of {night}"
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
    for query in queries:
        print_line(console, query)


def _instant(at: datetime | None) -> str:
    return "" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
