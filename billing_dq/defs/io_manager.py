"""Tables and records in and out of `<home>/lake/<asset>/<night>`: Parquet for tables, JSON for records.

What goes out keeps its contract (`tables`) and arrives whole (`storage.placing`). Before a night's first file is put,
the night is hidden from readers; its manifest shows it again. A run that does not end with the manifest, such as one of
a single asset, hides no whole night: it puts its file and has the manifest say so. A table that grows with the ledger
comes as a `StoredTable` and is copied, never held; it is loaded as what the asset's parameter is typed as, a frame or a
`StoredTable`.
Not here: what a table holds, and which assets there are.
"""

import re
from typing import get_args

import dagster as dg
import pandas as pd
from upath import UPath

from billing_dq.defs.jobs import RECONCILE_NIGHT
from billing_dq.defs.nights import ends_with_the_manifest
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import show_again
from billing_dq.storage.organization_ranges import EVERYTHING
from billing_dq.storage.placing import put_file, put_text
from billing_dq.storage.records import (
    EvidenceRemovedRecord,
    ReconciliationRecord,
    SnapshotFactsRecord,
    SoundTablesRecord,
    StripeReadingRecord,
)
from billing_dq.storage.scratch import scratch_directory
from billing_dq.storage.shard_parts import ShardPart, part_in, put_part, shards_directory
from billing_dq.storage.stored_table import StoredTable, TableWriter
from billing_dq.tables import FOLLOWED_ENTRIES, FOLLOWED_USAGE, FOLLOWED_WEEKS, TABLES, Table

#: The name of the resource that keeps parts.
PARTS = "billing_dq_parts_io_manager"
Record = SnapshotFactsRecord | StripeReadingRecord | SoundTablesRecord | ReconciliationRecord
RECORDS: dict[str, type[Record]] = {record.name: record for record in get_args(Record)}
#: A night that was stored before there were followed weeks has none of these tables: it followed no week.
_NOT_IN_OLD_NIGHTS = {table.name for table in (FOLLOWED_WEEKS, FOLLOWED_USAGE, FOLLOWED_ENTRIES)}
Storable = pd.DataFrame | StoredTable | Record


class LakeIOManager(dg.IOManager):
    """The IO manager of every asset. It logs nothing: each line would be one more event in the history."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake

    def handle_output(self, context: dg.OutputContext, obj: Storable) -> None:
        """Write a frame, a stored table or a record; all or nothing.

        Raises:
            dg.Failure: it is no asset of ours.
        """
        name = context.asset_key.path[-1]
        if name not in RECORDS and name not in TABLES:
            raise dg.Failure(
                f"{name} is no table of billing_dq; give its asset another IO manager", allow_retries=False
            )
        night = context.asset_partition_key
        path = self._path(name, night)
        is_alone = not ends_with_the_manifest(context.step_context.dagster_run) and self._lake.is_whole(night)
        self._lake.begin(night)
        if isinstance(obj, Record):
            put_text(obj.model_dump_json(indent=1), path)
        elif isinstance(obj, StoredTable):
            put_file(obj.path, path)
        else:
            _put(TABLES[name], obj, path)
        if is_alone:
            show_again(self._lake, night, path)
        rows = (
            {}
            if isinstance(obj, Record)
            else {"dagster/row_count": obj.rows if isinstance(obj, StoredTable) else len(obj)}
        )
        context.add_output_metadata({"path": dg.MetadataValue.path(str(path)), "dagster/uri": path.as_uri(), **rows})

    def load_input(self, context: dg.InputContext) -> Storable:
        """Read a table as a frame, or as the `StoredTable` that the parameter's type asks for."""
        name, night = context.asset_key.path[-1], context.asset_partition_key
        path = self._path(name, night)
        if not path.exists() and SnapshotFactsRecord.of(self._lake.home, night) is None:
            raise dg.Failure(
                f"the night of {night} is not stored under {self._lake.root}: `billing-dq nightly`, or the job "
                f"{RECONCILE_NIGHT}, reads it",
                allow_retries=False,
            )
        if name in RECORDS:
            return RECORDS[name].model_validate_json(path.read_text(encoding="utf-8"))
        stored = stored_evidence(self._lake, TABLES[name], path.stem)
        return stored if context.dagster_type.typing_type is StoredTable else frame_of(stored)

    def _path(self, name: str, night: str) -> UPath:
        """`<asset>/<night>.parquet`, or `.json` for a record."""
        return self._lake.root / name / f"{night}{'.json' if name in RECORDS else '.parquet'}"


def stored_evidence(lake: Lake, table: Table, night: str) -> StoredTable:
    """A table that a night has read, for a step that rests on it; of an old night it may be one that is not there.

    Raises:
        dg.Failure: it was removed, or never stored.
    """
    path = lake.root / table.name / f"{night}.parquet"
    if not path.exists():
        removed = EvidenceRemovedRecord.of(lake.home, night)
        if removed is not None and table.name in removed.tables:
            raise dg.Failure(f"{table.name} of {night} is gone: {removed.reason}", allow_retries=False)
        if table.name not in _NOT_IN_OLD_NIGHTS:
            raise dg.Failure(f"{table.name} is not stored: {path}", allow_retries=False)
    return StoredTable(table, path, lake.organizations if "organization_id" in table.column_names else EVERYTHING)


def frame_of(stored: StoredTable) -> pd.DataFrame:
    """The rows of a table; none where it is not there."""
    return stored.frame() if stored.path.exists() else stored.table.empty()


class PartsIOManager(dg.IOManager):
    """The IO manager of what the steps of a sharded night hand each other: on shared storage, never in memory."""

    def __init__(self, home: str) -> None:
        self._home = home

    def handle_output(self, context: dg.OutputContext, obj: ShardPart) -> None:
        """Store a part of the night."""
        put_part(obj, self._place(context))

    def load_input(self, context: dg.InputContext) -> ShardPart:
        """A stored part, whose tables are not read yet."""
        if context.upstream_output is None:
            raise AssertionError("a part comes from a step")
        return part_in(self._place(context.upstream_output))

    def _place(self, context: dg.OutputContext) -> UPath:
        names = [re.sub(r"[^\w.-]+", "_", name) for name in context.get_identifier()]
        return shards_directory(self._home).joinpath(*names)


def _put(table: Table, frame: pd.DataFrame, path: UPath) -> None:
    with scratch_directory("table") as directory:
        stored = directory / "table.parquet"
        with TableWriter(table, UPath(stored)) as writer:
            writer.write(to_arrow(table, table.conform(frame)))
        put_file(UPath(stored), path)
