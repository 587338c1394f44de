"""The section "Columns" of docs/tables.md, written from the table contracts.

`make reference` (``python -m tests.support.table_reference``) rewrites the section; a test compares it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from billing_dq.tables import TABLES, Table

PAGE = Path(__file__).parents[2] / "docs" / "tables.md"
START, END = "<!-- columns -->\n", "<!-- /columns -->\n"


def with_columns(page: str, tables: Iterable[Table]) -> str:
    """The page with its section of columns written afresh.

    Raises:
        ValueError: the page lacks one of the two marks.
    """
    before, start, rest = page.partition(START)
    _, end, after = rest.partition(END)
    if not (start and end):
        raise ValueError("docs/tables.md has no marks around its columns")
    return before + START + "".join(f"\n{line}" for line in _sections(tables)) + "\n" + END + after


def _sections(tables: Iterable[Table]) -> Iterator[str]:
    for table in tables:
        key = ", ".join(f"`{name}`" for name in table.key) or "none"
        yield f"### {table.name}\n\nOne row: {table.one_row}. Key: {key}.\n"
        yield "| column | dtype | null | means |\n|---|---|---|---|\n" + "".join(
            f"| `{column.name}` | {column.dtype.replace('<', ' of ').replace('>', '')} | "
            f"{'yes' if column.nullable else ''} | {_cell(column.doc)} |\n"
            for column in table.columns
        )


def _cell(text: str) -> str:
    """Text in a table's cell: a bar would end the cell, angle brackets and underscores would be markup."""
    return text.replace("|", "\\|").replace("<", "\\<").replace("__pending__", "`__pending__`")


if __name__ == "__main__":
    PAGE.write_text(with_columns(PAGE.read_text(encoding="utf-8"), TABLES.values()), encoding="utf-8")
