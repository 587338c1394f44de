"""What one step of a run hands to another where a night is shared out: tables and a text, in a directory of the home.

`<home>/shards/<run>/<step>/` holds them, so that every machine that sees the home can go on. A run takes away what it
and the runs before it left there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from upath import UPath

from billing_dq.storage.places import place_of
from billing_dq.storage.placing import put_file, put_text
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import TABLES

_SAID = "said.json"


@dataclass(frozen=True)
class ShardPart:
    """Tables by name, each with its contract's columns, and what is to be told of them, as JSON."""

    said: str
    tables: Mapping[str, StoredTable] = field(default_factory=dict[str, StoredTable])


def shards_directory(home: str) -> UPath:
    """Where the parts of all runs are."""
    return place_of(home) / "shards"


def put_part(part: ShardPart, directory: UPath) -> None:
    """Store a part, its text last: it is there when that is."""
    for name, stored in part.tables.items():
        put_file(Path(stored.path.path), directory / f"{name}.parquet")
    put_text(part.said, directory / _SAID)


def part_in(directory: UPath) -> ShardPart:
    """A stored part; its tables are not read yet.

    Raises:
        FileNotFoundError: there is none.
    """
    said = (directory / _SAID).read_text(encoding="utf-8")
    stored = {path.stem: path for path in directory.iterdir() if path.suffix == ".parquet"}
    return ShardPart(said, {name: StoredTable(TABLES[name], path) for name, path in stored.items()})


def remove_parts(home: str) -> None:
    """Take away the parts of all runs: of one location one run at a time takes a night."""
    directory = shards_directory(home)
    if directory.exists():
        directory.fs.rm(directory.path, recursive=True)
