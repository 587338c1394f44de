"""Parked organizations: nothing is credited to them until a person unparks them. Records of the audit log, folded."""

from collections.abc import Iterable

from billing_dq.credits.approvals import CreditError
from billing_dq.credits.audit import AuditLog, Record, Subject


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
    if (organization_id in parked_organizations(audit.read().records)) == park_it:
        raise CreditError(f"organization {organization_id} is {'parked already' if park_it else 'not parked'}")
    return audit.append("parked" if park_it else "unparked", Subject(None, organization_id), by, why)
