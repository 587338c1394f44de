"""The suites are Great Expectations' own objects, about columns that exist, with the words of the vocabulary."""

import json
from pathlib import Path

import pytest

from billing_dq.rules import suites
from billing_dq.rules.derived import FRACTION, ORDER, REFERENCES
from billing_dq.rules.suites import names_in_use, suite_of
from billing_dq.tables import TABLES
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE
from billing_dq.vocabulary.statuses import DISPUTE_STATUSES, ENTRY_KINDS, REFUND_STATUSES, SUBSCRIPTION_STATUSES

FILES = sorted(Path(suites.__file__).parent.glob("suites/*.json"))
WORDS = {
    "subscriptions.status": SUBSCRIPTION_STATUSES,
    "stripe_subscriptions.status": SUBSCRIPTION_STATUSES,
    "stripe_disputes.status": DISPUTE_STATUSES,
    "stripe_refunds.status": REFUND_STATUSES,
    "ledger_entries.kind": ENTRY_KINDS,
    "expiring_ledgers.kind": ENTRY_KINDS,
}


def test_every_table_that_a_night_reads_has_a_suite_and_no_other() -> None:
    assert {path.stem for path in FILES} == {*OF_MONGODB, *OF_STRIPE}


@pytest.mark.filterwarnings("ignore")  # the library's own, about what it imports
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_great_expectations_reads_a_suite_and_writes_it_as_it_is(path: Path) -> None:
    import great_expectations as gx

    written = json.loads(path.read_text(encoding="utf-8"))
    read = gx.ExpectationSuite(**written).to_json_dict()
    assert (read["name"], read["expectations"]) == (path.stem, written["expectations"])


@pytest.mark.parametrize("table", [path.stem for path in FILES])
def test_a_suite_is_about_columns_of_its_table_or_derived_ones(table: str) -> None:
    for expected in suite_of(table):
        for name in expected.columns:
            of_table = {name.removeprefix(FRACTION)}
            of_table = {"at"} if name == ORDER else {*REFERENCES[name].columns} if name in REFERENCES else of_table
            assert of_table <= set(TABLES[table].column_names), (table, name)


def test_only_what_is_read_from_mongodb_stops_a_result_and_what_people_may_do_is_a_warning() -> None:
    expectations = [(path.stem, expectation) for path in FILES for expectation in suite_of(path.stem)]
    critical = [(table, expectation.name) for table, expectation in expectations if expectation.severity == "critical"]
    assert {table for table, _ in critical} <= set(OF_MONGODB)
    assert all(name.endswith(("_unique", "_not_negative", "_at_least_1")) for _, name in critical)


def test_the_words_that_a_suite_knows_are_those_of_the_vocabulary() -> None:
    words = {
        f"{table}.{expectation.kwargs['column']}": tuple(expectation.kwargs["value_set"])  # type: ignore[arg-type]
        for table, _ in names_in_use()
        for expectation in suite_of(table)
        if expectation.name in ("status_is_known", "kind_is_known")
    }
    assert words == WORDS


def test_what_the_contract_of_a_table_refuses_is_not_expected_again() -> None:
    for table in (path.stem for path in FILES):
        types = {expectation.type for expectation in suite_of(table)}
        assert "expect_column_values_to_not_be_null" not in types
        assert table in OF_MONGODB or not any(name.endswith("_unique") for name in types)
