"""What the audit log forbids: parked organizations, until a person unparks them, and a credit that was given once.

Parked organizations stand in the log and in its guard, so that to lose one of them does not allow a credit.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from billing_dq.credits.approvals import CreditError
from billing_dq.credits.audit import AuditLog, AuditReading, Record, Subject


@dataclass(frozen=True)
class OnRecord:
    """The ids of the organizations that are parked, and of the disputes that this home has credited."""

    parked: frozenset[str] = frozenset()
    credited: frozenset[str] = frozenset()

    @classmethod
    def of(cls, reading: AuditReading) -> "OnRecord":
        """What a proved log and its guard say."""
        written = ("written", "verified", "unverified")
        credited = {record.dispute_id for record in reading.records if record.kind in written}
        parked = frozenset(parked_organizations(reading.records)) | reading.parked_outside
        return cls(parked, frozenset(name for name in credited if name is not None))


def park(audit: AuditLog, organization_id: str, by: str, why: str) -> Record:
    """Credit nothing to an organization until it is unparked.

    Raises:
        CreditError: it is parked already.
    """
    return _switch(audit, organization_id, by, why, park_it=True)


def unpark(audit: AuditLog, organization_id: str, by: str, why: str) -> Record:
    """Let an organization be credited again.

    Raises:
        CreditError: it is not parked.
    """
    return _switch(audit, organization_id, by, why, park_it=False)


def parked_organizations(records: Iterable[Record]) -> dict[str, Record]:
    """The organizations that are parked, with the record that parked them."""
    parked: dict[str, Record] = {}
    for record in records:
        if record.organization_id is not None and record.kind == "parked":
            parked[record.organization_id] = record
        elif record.organization_id is not None and record.kind == "unparked":
            parked.pop(record.organization_id, None)
    return parked


def _switch(audit: AuditLog, organization_id: str, by: str, why: str, park_it: bool) -> Record:
    if (organization_id in OnRecord.of(audit.read()).parked) == park_it:
        raise CreditError(f"organization {organization_id} is {'parked already' if park_it else 'not parked'}")
    return audit.append("parked" if park_it else "unparked", Subject(None, organization_id), by, why)
