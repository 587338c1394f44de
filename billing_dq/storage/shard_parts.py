"""What one step of a run hands to another where a night is shared out: tables and a text, in a directory of the home.

`<home>/shards/<run>/<step>/` holds them, so that every machine that sees the home can go on. A run takes away what it
and the runs before it left there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from upath import UPath

from billing_dq.storage.places import place_of
from billing_dq.storage.placing import put_file, put_text
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import TABLES

_TEXT = "text.json"


@dataclass(frozen=True)
class ShardPart:
    """A text (what is to be done, or the account of what was done), and the tables that belong to it, by name."""

    text: str
    tables: Mapping[str, StoredTable] = field(default_factory=dict[str, StoredTable])


def shards_directory(home: str) -> UPath:
    """Where the parts of all runs are."""
    return place_of(home) / "shards"


def put_part(part: ShardPart, directory: UPath) -> None:
    """Store a part; its text is written last, so that a part with a text is whole."""
    for name, stored in part.tables.items():
        put_file(stored.path, directory / f"{name}.parquet")
    put_text(part.text, directory / _TEXT)


def part_in(directory: UPath) -> ShardPart:
    """A stored part; its tables are not read yet.

    Raises:
        FileNotFoundError: there is none.
    """
    text = (directory / _TEXT).read_text(encoding="utf-8")
    stored = {path.stem: path for path in directory.iterdir() if path.suffix == ".parquet"}
    return ShardPart(text, {name: StoredTable(TABLES[name], path) for name, path in stored.items()})


def remove_parts(home: str) -> None:
    """Take away the parts of all runs: of one location one run at a time takes a night."""
    directory = shards_directory(home)
    if directory.exists():
        directory.fs.rm(directory.path, recursive=True)
