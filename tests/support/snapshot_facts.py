"""How a night read MongoDB, for tests of what comes after the reading."""

from datetime import datetime

from billing_dq.storage.records import SnapshotFactsRecord


def snapshot_facts(as_of: datetime, **others: object) -> SnapshotFactsRecord:
    """A night over four weeks that was read whole, in one snapshot; ``others`` are fields that differ."""
    usual: dict[str, object] = {
        "weeks_back": 3,
        "settling_hours": 6,
        "server_version": "8.0",
        "topology": "ReplicaSetWithPrimary",
        "one_snapshot": True,
        "missing_collections": (),
        "counts": {},
        "seconds": {},
    }
    return SnapshotFactsRecord(as_of=as_of, **(usual | others))  # type: ignore[arg-type]
