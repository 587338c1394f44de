"""The expectations that follow from the contracts of the source tables (`billing_dq.tables`), and from nothing else.

A critical one says that the reading itself went wrong: what rests on its table is not computed. Stripe's are never
critical, so that they hide nothing. A break of what people and the application may do is a warning.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from billing_dq.rules.expectation import Clause, Derived, Expectation, Severity
from billing_dq.tables import EARLIEST, TABLES, Column, Reference, Table
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE

#: Without a snapshot the application goes on writing while it is read: what is later than this is no such thing.
_AFTER_THE_SNAPSHOT = timedelta(days=1)


def expectations(table: Table, plans: tuple[str, ...], as_of: datetime) -> list[Expectation]:
    """The expectations of a source table.

    Args:
        table: one of `OF_MONGODB` or `OF_STRIPE`.
        plans: the plans that are known.
        as_of: the instant of the snapshot. The names and sentences do not depend on it.
    """
    critical: Severity = "critical" if table.name in OF_MONGODB else "warning"
    return [
        *_unique(table, critical),
        _present(table, critical),
        *_well_formed(table),
        *_known(table, plans),
        *_ranges(table, critical),
        *_whole(table),
        *_dates(table, as_of),
        *_references(table),
        *_order(table),
    ]


def contract_checks() -> list[tuple[str, str]]:
    """Table and name of every check that follows from a contract."""
    known = ("any",)  # of the plans only the names depend that a check lists
    return [
        (name, one.name) for name in (*OF_MONGODB, *OF_STRIPE) for one in expectations(TABLES[name], known, EARLIEST)
    ]


def _unique(table: Table, severity: Severity) -> Iterator[Expectation]:
    if len(table.key) == 1:
        (column,) = table.key
        clause = Clause("expect_column_values_to_be_unique", {"column": column})
        yield Expectation(table.name, f"{column}_is_unique", f"No {column} stands twice.", severity, (clause,))
    elif table.key:
        clause = Clause("expect_compound_columns_to_be_unique", {"column_list": list(table.key)})
        name, words = "_and_".join(table.key), " and ".join(table.key)
        yield Expectation(table.name, f"{name}_are_unique", f"No {words} stand twice together.", severity, (clause,))


def _present(table: Table, severity: Severity) -> Expectation:
    required = [column.name for column in table.columns if not column.nullable]
    clauses = tuple(Clause("expect_column_values_to_not_be_null", {"column": name}) for name in required)
    sentence = f"No value is missing that must be there: {', '.join(required)}."
    return Expectation(table.name, "no_required_value_is_missing", sentence, severity, clauses)


def _well_formed(table: Table) -> Iterator[Expectation]:
    for column in table.columns:
        if column.pattern is not None:
            clause = Clause("expect_column_values_to_match_regex", {"column": column.name, "regex": column.pattern})
            sentence = f"Every {column.name} has the form {column.pattern}."
            yield Expectation(table.name, f"{column.name}_is_well_formed", sentence, "warning", (clause,))


def _known(table: Table, plans: tuple[str, ...]) -> Iterator[Expectation]:
    for column in table.columns:
        known = plans if column.name == "plan" and table.name in OF_MONGODB else column.known
        if known:
            clause = Clause("expect_column_values_to_be_in_set", {"column": column.name, "value_set": list(known)})
            sentence = f"Every {column.name} is known: {', '.join(known)}."
            yield Expectation(table.name, f"{column.name}_is_known", sentence, "warning", (clause,))


def _ranges(table: Table, severity: Severity) -> Iterator[Expectation]:
    for column in table.columns:
        if column.least is not None:
            arguments = {"column": column.name, "min_value": column.least}
            clause = Clause("expect_column_values_to_be_between", arguments)
            words = "not_negative" if column.least == 0 else f"at_least_{column.least:g}"
            sentence = f"Every {column.name} is {words.replace('_', ' ')}."
            yield Expectation(table.name, f"{column.name}_is_{words}", sentence, severity, (clause,))


def _whole(table: Table) -> Iterator[Expectation]:
    for column in table.columns:
        if column.whole:
            name = f"fraction_of_{column.name}"
            derived = Derived(name, "fraction", (column.name,))
            clause = Clause("expect_column_values_to_be_between", {"column": name, "max_value": 0}, derived)
            sentence = f"Every {column.name} is a whole number."
            yield Expectation(table.name, f"{column.name}_is_whole", sentence, "warning", (clause,))


def _dates(table: Table, as_of: datetime) -> Iterator[Expectation]:
    times = [column for column in table.columns if column.dtype == "time"]
    if times:
        clauses = tuple(Clause("expect_column_values_to_be_between", _span(column, as_of)) for column in times)
        said = [f"{column.name}{' (it may lie ahead)' if column.future else ''}" for column in times]
        sentence = f"Every date lies between 2010 and a day after the snapshot: {', '.join(said)}."
        yield Expectation(table.name, "dates_are_plausible", sentence, "warning", clauses)


def _span(column: Column, as_of: datetime) -> dict[str, object]:
    until = {} if column.future else {"max_value": as_of + _AFTER_THE_SNAPSHOT}
    return {"column": column.name, "min_value": EARLIEST, **until}


def _references(table: Table) -> Iterator[Expectation]:
    for reference in table.references:
        name, sentence = _said(reference)
        needed = (reference.column,) if reference.through is None else (reference.column, reference.through)
        derived = Derived(name, "leads_somewhere", needed, reference)
        clause = Clause("expect_column_values_to_be_in_set", {"column": name, "value_set": [True]}, derived)
        yield Expectation(table.name, name, sentence, "warning", (clause,))


def _said(reference: Reference) -> tuple[str, str]:
    column, table = reference.column, reference.table
    if reference.through is not None:
        return (
            f"{column}_is_that_in_{table}",
            f"Every {column} is that of the row in {table} with the same {reference.through}, where there is one.",
        )
    return f"{column}_is_in_{table}", f"Every {column} stands in {table}, or in a document that could not be read."


def _order(table: Table) -> Iterator[Expectation]:
    if table.in_order is not None:
        name = "seconds_since_the_entry_before"
        derived = Derived(name, "seconds_since_the_row_before", ("organization_id", table.in_order))
        clause = Clause("expect_column_values_to_be_between", {"column": name, "min_value": 0}, derived)
        sentence = "The entries of a ledger stand in the order of their time."
        yield Expectation(table.name, "entries_are_in_order_of_time", sentence, "warning", (clause,))
