"""Whether the audit log, its guard, the anchors of the nights and the ledgers tell one story of what this home wrote.

The log is a guard and no diary: where it tells less than the others, nothing is credited until a person has looked.
"""

from datetime import datetime

import pandas as pd

from billing_dq.credits.anchor import whole_log
from billing_dq.credits.audit import ACKNOWLEDGE, AuditError, AuditLog, credits_directory
from billing_dq.credits.verification import Discrepancy, compare
from billing_dq.errors import SettingsError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.organization_ledger import OrganizationReader, WrittenCredit
from billing_dq.vocabulary.references import REINSTATEMENT


def audit_log(settings: Settings) -> AuditLog:
    """The audit log of the settings' home.

    Raises:
        SettingsError: the home is no local directory.
    """
    return AuditLog(credits_directory(settings.state_directory))


def differences(settings: Settings, reader: OrganizationReader) -> tuple[int, list[Discrepancy]]:
    """How the ledgers differ from the audit log, which is read last: whatever stands in a ledger was recorded before.

    Returns:
        The number of ledger entries with our reference, and the differences.

    Raises:
        SourceError: the ledgers cannot be read.
        AuditError: the chain of the log is broken.
    """
    entries = reader.credits(REINSTATEMENT)
    log = audit_log(settings)
    return len(entries), compare(log.read_chain().records, entries, REINSTATEMENT, log.home)


def require_agreement(settings: Settings, reader: OrganizationReader) -> list[Discrepancy]:
    """Refuse where log, guard, anchors and ledgers do not agree on what this home wrote.

    Returns:
        The faults that forbid nothing: credits that somebody else wrote, or that are gone from the ledgers.

    Raises:
        AuditError: records are lost, or a credit of this home is in no record.
        SourceError: the ledgers cannot be read.
    """
    _, discrepancies = differences(settings, reader)
    forbidding = [difference for difference in discrepancies if difference.forbids]
    foreign = [difference for difference in discrepancies if difference.problem == "entry_of_another"]
    if not whole_log(settings).records and foreign:
        raise AuditError(
            f"there is no audit log, and the ledgers hold {len(foreign)} credits of another home, or of this one "
            f"before it was lost, first {foreign[0].dispute_id}: restore the log, or look into it and then "
            f"`{ACKNOWLEDGE}`"
        )
    if forbidding:
        first = forbidding[0]
        raise AuditError(
            f"the audit log and the ledgers differ in {len(forbidding)} credits, first {first.dispute_id} "
            f"({first.problem}, entry {first.entry_id}): `billing-dq credits verify-audit` lists them, "
            "and its --acknowledge settles each"
        )
    return [difference for difference in discrepancies if difference.is_fault]


def said_of_a_night(settings: Settings, entries: pd.DataFrame, as_of: datetime) -> str | None:
    """What is wrong between the log and the ledgers as a night read them, in one line; None where they agree.

    Args:
        settings: where log, guard and anchors are.
        entries: DISPUTE_ENTRIES of the night.
        as_of: its instant; later records are not held against it.
    """
    try:
        records = whole_log(settings).records
    except AuditError as error:
        return str(error)
    except SettingsError:  # a home on an object store credits nothing
        return None
    credits = entries.loc[entries["ref_id"].str.startswith(REINSTATEMENT).fillna(False)]
    columns = (credits[name] for name in ("organization_id", "entry_id", "ref_id", "amount", "at"))
    written = [
        WrittenCredit(str(organization), str(entry_id), str(ref_id), float(amount), None, pd.Timestamp(at))
        for organization, entry_id, ref_id, amount, at in zip(*columns, strict=True)
    ]
    before = [record for record in records if datetime.fromisoformat(record.at) <= as_of]
    faults = [fault for fault in compare(before, written, REINSTATEMENT) if fault.is_fault]
    if not faults:
        return None
    named = "; ".join(f"{fault.dispute_id} {fault.problem}" for fault in faults[:20])
    return f"the audit log and the ledgers differ in {len(faults)} credits: {named}"
