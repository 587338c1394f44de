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
    newest = sorted({evidence for nights in stored.values() for evidence in nights if evidence <= night})[-keep:]
    before = min(newest[0] if newest else night, weeks.weeks[0].start.date().isoformat())
    removed: dict[str, list[str]] = {}
    for table, nights in stored.items():
        for old in nights[:-1]:
            if old < before:
                removed.setdefault(old, []).append(table.name)
    for old, tables in sorted(removed.items()):
        earlier = EvidenceRemovedRecord.of(lake.home, old)
        names = sorted({*tables, *(earlier.tables if earlier else ())})
        record = EvidenceRemovedRecord(by_night=night, evidence_nights=keep, tables=tuple(names))
        put_text(record.model_dump_json(indent=1), record.path(lake.home, old))
    for old, tables in removed.items():
        for name in tables:
            (lake.root / name / f"{old}.parquet").unlink()
    return dict(sorted(removed.items()))
