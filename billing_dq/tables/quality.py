"""What each night's data looks like, so that the next nights can tell what is unusual."""

from billing_dq.tables.contract import Column, Table

_COLLECTION = Column("collection", "str", "the collection's name in docs/domain.md")

DOCUMENT_SHAPES = Table(
    "document_shapes",
    "a type of a field of a collection, or a value of an enumeration, as it was read",
    (
        _COLLECTION,
        Column("field", "str", "path of the field, such as ledger.kind"),
        Column("part", "str", "type or value"),
        Column(
            "observed",
            "str",
            "the BSON type as MongoDB names it, null, or missing; the value of an enumeration, (long text) or (text)",
        ),
        Column("occurrences", "int64", "documents or entries with it", unit="documents or entries"),
        Column("population", "int64", "documents or entries that were looked at", unit="documents or entries"),
        Column("declared", "bool", "the contract of the collection, or its list of values, has it"),
        Column("example_id", "str", "_id of a document with it; null of what is declared", nullable=True),
    ),
    key=("collection", "field", "part", "observed"),
)

NIGHT_MEASURES = Table(
    "night_measures",
    "a measure of the night's data, and what is usual by the nights before",
    (
        _COLLECTION,
        Column("measure", "str", "a measure of docs/tables.md"),
        Column("week_key", "str", "the week it is of; empty where it is of no single one"),
        Column("value", "float64", "its value", unit="see unit"),
        Column("unit", "str", "documents, entries, units, hours, share, or one of them a day"),
        Column(
            "expected",
            "float64",
            "what the nights before say; null where they are too few",
            nullable=True,
            unit="see unit",
        ),
        Column("lowest", "float64", "the smallest usual value", nullable=True, unit="see unit"),
        Column("highest", "float64", "the largest usual value", nullable=True, unit="see unit"),
        Column("nights", "int64", "earlier nights that it is judged by", unit="nights"),
        Column("verdict", "str", "usual, too_low, too_high or not_judged"),
    ),
    key=("collection", "measure", "week_key"),
)

COLUMN_PROFILES = Table(
    "column_profiles",
    "a fact about a column of a stored table of the night",
    (
        Column("table_name", "str", "the table"),
        Column("column_name", "str", "the column; empty for the table itself"),
        Column("part", "str", "rows, nulls, least, greatest, value (a word) or range (of numbers)"),
        Column("label", "str", "the word, the range or the instant; empty where there is none"),
        Column(
            "number",
            "float64",
            "rows of it; of least and greatest the number itself",
            nullable=True,
            unit="rows, or that of the column",
        ),
    ),
    key=("table_name", "column_name", "part", "label"),
)
