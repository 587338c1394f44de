"""How long the evidence of a night is kept: the tables that it read. What it concluded is never removed.

`<home>/lake/evidence_removed/<night>.json` says so of a night, before anything of it goes.
"""

from billing_dq.storage.lake import Lake
from billing_dq.storage.placing import put_text
from billing_dq.storage.records import EvidenceRemovedRecord, SnapshotFactsRecord
from billing_dq.tables import FOLLOWED_ENTRIES, FOLLOWED_USAGE, TABLES
from billing_dq.tables.sources import OF_MONGODB, OF_STRIPE

#: What a night read. What it could not read stays: it is small, and its findings are followed by it.
EVIDENCE = (*(TABLES[name] for name in (*OF_MONGODB, *OF_STRIPE)), FOLLOWED_USAGE, FOLLOWED_ENTRIES)


def remove_old_evidence(lake: Lake, night: str, keep: int | None) -> dict[str, list[str]]:
    """Remove the evidence of old nights, and say whose.

    Kept whatever their age are the nights inside the weeks that ``night`` covers, whose quotas and plans are evidence
    for it; the newest night of every table; and nights that are not whole.

    Args:
        lake: the stored nights.
        night: the newest night, YYYY-MM-DD.
        keep: how many nights keep their evidence, ``night`` included; None: all.

    Returns:
        The names of the removed tables by night.
    """
    if keep is None:
        return {}
    weeks = SnapshotFactsRecord.require(lake.home, night).weeks
    stored = {table: lake.nights(table) for table in EVIDENCE}
    kept = sorted({one for nights in stored.values() for one in nights if one <= night})[-keep:]
    before = min(kept[0] if kept else night, weeks.weeks[0].start.date().isoformat())
    old: dict[str, list[str]] = {}
    for table, nights in stored.items():
        for one in nights[:-1]:
            if one < before:
                old.setdefault(one, []).append(table.name)
    for one, tables in sorted(old.items()):
        said = EvidenceRemovedRecord.of(lake.home, one)
        names = sorted({*tables, *(said.tables if said else ())})
        record = EvidenceRemovedRecord(by_night=night, evidence_nights=keep, tables=tuple(names))
        put_text(record.model_dump_json(indent=1), record.path(lake.home, one))
    for table in EVIDENCE:
        for one in stored[table]:
            if table.name in old.get(one, ()):
                (lake.root / table.name / f"{one}.parquet").unlink()
    return dict(sorted(old.items()))
