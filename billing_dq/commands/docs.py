"""`billing-dq docs`: Great Expectations' own pages about the tables of a stored night."""

import webbrowser
from datetime import UTC, datetime
from pathlib import Path

import click
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.settings import load_settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.placing import is_local
from billing_dq.tables import ORGANIZATIONS, TABLES


@click.command(name="docs")
@click.option("--night", metavar="YYYY-MM-DD", help="A stored night, by its date. Without it: the newest one.")
@click.option(
    "--to",
    "target",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the pages into this directory: a new or empty one, or one with earlier pages, which are replaced. "
    "Without it: <home>/data_docs/<night>.",
)
@click.option("--open", "show", is_flag=True, help="Open the first page in the browser.")
def command(night: str | None, target: Path | None, show: bool) -> None:
    """Validate the source tables of a stored night and write Great Expectations' Data Docs about them.

    The suites are those of the checks, rules of your own among them, but for SQL. Of a table of more than 50,000 rows
    the first ones are validated here; the checks of the night validate all.
    """
    from billing_dq.report.data_docs import Suite, build_data_docs
    from billing_dq.rules.contracts import contract_checks, expectations
    from billing_dq.rules.reading import read_folder
    from billing_dq.storage.batches import frames_by_batch
    from billing_dq.storage.records import SnapshotFactsRecord
    from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE

    settings = load_settings()
    lake = Lake(settings.home)
    night, _ = lake.choose(ORGANIZATIONS, night)
    if target is None and not is_local(UPath(settings.home)):
        raise SourceError(f"home is not on this machine ({settings.home}); name a directory with --to")
    facts = SnapshotFactsRecord.of(settings.home, night)
    as_of = facts.as_of if facts else datetime.fromisoformat(night).replace(tzinfo=UTC)
    own = read_folder(settings.rules_folder, contract_checks())
    for refused in own.refused:
        click.echo(refused, err=True)
    suites: list[Suite] = []
    for name in (*OF_MONGODB, *OF_STRIPE):
        stored = lake.stored(TABLES[name], night)
        if stored is not None:
            columns = [column.name for column in stored.table.columns if not column.dtype.startswith("list")]
            expected = expectations(stored.table, tuple(sorted(settings.plans)), as_of)
            clauses = [clause for one in expected for clause in one.clauses]
            clauses += [rule.clause for rule in own.usable if rule.table == name and rule.clause is not None]
            # others are of lists, or of what our own rules derive
            found = [clause for clause in clauses if set(clause.names) <= set(columns)]
            suites.append(Suite(name, found, lambda s=stored, c=columns: frames_by_batch(s, c), stored.rows))
    page = build_data_docs(suites, night, target or Path(settings.home) / "data_docs" / night)
    click.echo(page)
    if show:
        webbrowser.open(page.absolute().as_uri())
