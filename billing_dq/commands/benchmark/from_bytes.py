"""A company's documents in files, as `mongodump` has them, read like replies of a server: what the client costs."""

from collections.abc import Iterator
from pathlib import Path

from billing_dq.followed import Followed
from billing_dq.progress import SilentProgress
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import CollectionContract, contracts
from billing_dq.sources.mongodb.queries import Filter, Query
from billing_dq.sources.mongodb.reader import PIECE_BYTES, Timed
from billing_dq.sources.mongodb.sampled_fields import SampledField
from billing_dq.storage.stored_table import StoredTable
from billing_dq.weeks import NightWeeks

_LENGTH_BYTES = 4


class FileReader(Timed):
    """Reads `<collection>.bson`: documents one after the other, in the order in which a night asks for them."""

    one_snapshot = True

    def __init__(self, documents: Path) -> None:
        super().__init__()
        self._documents = documents
        self._read: dict[str, int] = {}

    def count(self, contract: CollectionContract, query: Filter | None = None) -> int:
        """The number of documents that were read: there are no others."""
        return self._read.get(contract.domain_name, 0)

    def batches(self, contract: CollectionContract, query: Query) -> Iterator[bytes]:
        """All documents, some megabytes at a time, whatever is asked; none where other weeks are asked for."""
        if "$or" in query.filter:
            return
        with (self._documents / f"{contract.domain_name}.bson").open("rb") as file:
            rest = b""
            while data := file.read(PIECE_BYTES):
                with self.timed("server"):
                    rest += data
                    end, count = _last_whole(rest)
                    self._read[contract.domain_name] = self._read.get(contract.domain_name, 0) + count
                yield rest[:end]
                rest = rest[end:]

    def fields_of_the_newest(self, contract: CollectionContract) -> list[SampledField]:
        """None: a server would tell them."""
        return []


def read_files(
    documents: Path, settings: Settings, night: NightWeeks, directory: Path
) -> tuple[dict[str, StoredTable], dict[str, float]]:
    """The tables of the documents in files, and the seconds by stage, as of a snapshot."""
    from billing_dq.sources.mongodb.tables import SnapshotTables  # LLVM

    reader = FileReader(documents)
    tables = SnapshotTables(reader, night, Followed(), directory, settings.batch_organizations, SilentProgress())
    for contract in contracts(settings.collections.model_dump(), tuple(settings.plans), night.as_of).values():
        tables.write(contract)
    tables.write_quarantine()
    tables.write_shapes()
    return tables.stored, {name: float(seconds) for name, seconds in reader.seconds.items()}


def _last_whole(data: bytes) -> tuple[int, int]:
    """Where the last whole document ends, and how many there are."""
    end = count = 0
    while len(data) - end >= _LENGTH_BYTES:
        size = int.from_bytes(data[end : end + _LENGTH_BYTES], "little")
        if end + size > len(data):
            break
        end, count = end + size, count + 1
    return end, count
