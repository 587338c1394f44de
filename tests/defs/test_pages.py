"""What Dagster's pages say: every asset has its text, every number its unit, every link leads somewhere."""

from datetime import UTC, datetime

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph

from billing_dq.composition import build_definitions
from billing_dq.defs.outside import COLLECTIONS, RESOURCES
from billing_dq.defs.pages.lineage import COLUMNS
from billing_dq.defs.pages.metadata import SENTENCE, column_schema, short, table_of
from billing_dq.defs.pages.runbook import runbook
from billing_dq.defs.pages.texts import TEXTS
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import contracts
from billing_dq.tables import TABLES
from billing_dq.vocabulary.kinds import KINDS


@pytest.fixture(scope="module")
def graph() -> AssetGraph:
    return build_definitions(Settings()).resolve_asset_graph()


def test_every_asset_of_ours_has_a_text_an_owner_and_a_kind(graph: AssetGraph) -> None:
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key
    assert {key.path[0] for key in graph.get_all_asset_keys() if len(key.path) == 1} == set(TEXTS)


def test_the_graph_begins_outside_and_nowhere_else(graph: AssetGraph) -> None:
    roots = {key.to_user_string() for key in graph.get_all_asset_keys() if not graph.get(key).parent_keys}
    collections = {f"mongodb/{name}" for names in COLLECTIONS.values() for name in names}
    assert roots == collections | {f"stripe/{name}" for name in RESOURCES.values()}


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_number_has_its_unit(table) -> None:
    for column in table.columns:
        assert (column.unit is not None) == (column.dtype in ("float64", "int64", "Int64")), column.name
    assert len(column_schema(table).columns) == len(table.columns)


def test_the_lineage_of_columns_names_columns_that_exist() -> None:
    settings = Settings()
    by_name = contracts(settings.collections.model_dump(), (), datetime(2026, 1, 1, tzinfo=UTC))
    fields = {
        f"mongodb/{name}.{path}"
        for name, contract in by_name.items()
        for field in contract.fields
        for path in (field.name, *(f"{field.name}.{part.name}" for part in field.fields))
    }
    columns_of_all = fields | {f"{table.name}.{name}" for table in TABLES.values() for name in table.column_names}
    for table, columns in COLUMNS.items():
        assert set(columns) <= set(TABLES[table].column_names), table
        assert {source for sources in columns.values() for source in sources.split()} <= columns_of_all, table


def test_a_runbook_is_a_link_where_there_is_an_address() -> None:
    published = Settings(runbook_url="https://wiki/runbooks", serve_url="http://127.0.0.1:1")
    assert runbook(published, "refund_failed") == dg.MetadataValue.url("https://wiki/runbooks#refund-failed")
    served = Settings(serve_url="http://127.0.0.1:1")
    assert runbook(served, "refund_failed") == dg.MetadataValue.url("http://127.0.0.1:1/runbook#refund-failed")


@pytest.mark.parametrize("kind", KINDS)
def test_a_runbook_is_its_own_section_where_there_is_no_address(kind: str) -> None:
    section = runbook(Settings(), kind)
    assert isinstance(section, dg.MarkdownMetadataValue)
    assert str(section.md_str).lower().startswith(f"## {kind.replace('_', ' ')}")


def test_a_long_sentence_is_cut_and_a_missing_one_is_empty() -> None:
    assert short("x" * 500) == f"{'x' * SENTENCE} …"
    assert (short("as it is"), short(None)) == ("as it is", "")


def test_a_table_without_rows_says_so() -> None:
    assert table_of([]) == dg.MetadataValue.text("none")
