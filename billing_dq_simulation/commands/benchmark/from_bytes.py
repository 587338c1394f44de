"""A company's documents in files, as `mongodump` has them, read like replies of a server: what the client costs."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.bson.contract import CollectionContract
from billing_dq.sources.mongodb.facts import Server
from billing_dq.sources.mongodb.merging import merged
from billing_dq.sources.mongodb.parts import Reading
from billing_dq.sources.mongodb.queries import Query
from billing_dq.sources.mongodb.reader import PIECE_BYTES, Documents
from billing_dq.sources.mongodb.sampled_fields import SampledField
from billing_dq.sources.progress import SilentProgress
from billing_dq.storage.followed import Followed
from billing_dq.storage.stored_table import StoredTable
from billing_dq.weeks import NightWeeks


class FileReader(Documents):
    """Reads `<collection>.bson`: documents one after the other, in the order in which a night asks for them."""

    def __init__(self, documents: Path) -> None:
        super().__init__()
        self._documents = documents
        self._read: dict[str, int] = {}

    def count(self, contract: CollectionContract) -> int:
        """The number of documents that were read: there are no others."""
        return self._read.get(contract.domain_name, 0)

    def batches(self, contract: CollectionContract, query: Query) -> Iterator[bytes]:
        """All documents, some megabytes at a time, whatever is asked; none where other weeks are asked for."""
        if "$or" in query.filter:
            return
        from billing_dq.sources.mongodb.bson.walker import documents  # numba

        with (self._documents / f"{contract.domain_name}.bson").open("rb") as file:
            while True:
                with self.timed("server"):
                    data = file.read(PIECE_BYTES)
                    places = documents(np.frombuffer(data, dtype=np.uint8))
                    self._read[contract.domain_name] = self._read.get(contract.domain_name, 0) + len(places) - 1
                    whole = int(places[-1])
                    file.seek(whole - len(data), os.SEEK_CUR)
                if not data:
                    return
                if not whole:
                    raise SourceError(f"{file.name}: a document is not whole, or larger than {PIECE_BYTES:,} bytes")
                yield data[:whole]

    def fields_of_the_newest(self, contract: CollectionContract) -> list[SampledField]:
        """None: a server would tell them."""
        return []


def read_files(
    documents: Path, settings: Settings, night: NightWeeks, directory: Path
) -> tuple[dict[str, StoredTable], dict[str, float]]:
    """The tables of the documents in files, and the seconds by stage, as of a snapshot."""
    from billing_dq.sources.mongodb.tables import write_part  # numba

    part = write_part(FileReader(documents), Reading(settings, night, Followed(), directory, SilentProgress()))
    snapshot = merged([part], Server("", "", (), ""), settings, night, Followed(), directory / "whole")
    return snapshot.tables, part.facts.seconds
