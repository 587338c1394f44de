"""What the audit log forbids: parked organizations, until a person unparks them, and a credit that was given once.

Parked organizations stand in the log and in its guard, so that to lose one of them does not allow a credit.
"""

from dataclasses import dataclass

from billing_dq.credits.approvals import CreditError
from billing_dq.credits.audit import AuditLog, AuditReading, Record, Subject
from billing_dq.credits.guard import Guard


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
        parked = Guard.new().after(reading.records).parked
        return cls(reading.parked_outside.union(parked), frozenset(name for name in credited if name is not None))


def park(audit: AuditLog, organization_id: str, by: str, why: str) -> Record:
    """Credit nothing to an organization until it is unparked.

    Raises:
        CreditError: it is parked already.
    """
    if organization_id in OnRecord.of(audit.read()).parked:
        raise CreditError(f"organization {organization_id} is parked already")
    return audit.append("parked", Subject(None, organization_id), by, why)


def unpark(audit: AuditLog, organization_id: str, by: str, why: str) -> Record:
    """Let an organization be credited again.

    Raises:
        CreditError: it is not parked.
    """
    if organization_id not in OnRecord.of(audit.read()).parked:
        raise CreditError(f"organization {organization_id} is not parked")
    return audit.append("unparked", Subject(None, organization_id), by, why)
