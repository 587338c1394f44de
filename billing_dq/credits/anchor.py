"""The anchor of the audit log: the number and hash of its last record, told outside the log's own file.

A chain of hashes proves that no record was changed in between. It cannot tell a log whose end was cut off, or one that
was written anew as a whole. Each night therefore puts the anchor into its run's metadata and its report, and
`billing-dq credits verify-audit --anchor` proves that the log still holds that record.
"""

import re
from collections.abc import Sequence

from billing_dq.credits.audit import AuditError, AuditLog, Record, credits_directory
from billing_dq.errors import SettingsError

_ANCHOR = re.compile(r"(\d{1,12}):([0-9a-f]{64})")


def anchor_of(home: str) -> str:
    """The anchor of a home's log, ``<number>:<sha256>``; else why there is none. It never ends a night."""
    try:
        records = AuditLog(credits_directory(home)).read().records
    except SettingsError:
        return "none: credits need a local home"
    except (AuditError, OSError) as error:
        return f"NOT WHOLE: {error}"
    return f"{records[-1].number}:{records[-1].hash}" if records else "none: no credit was ever touched"


def anchor(text: str) -> str:
    """An anchor as a person gives it.

    Raises:
        ValueError: it has another form.
    """
    if not _ANCHOR.fullmatch(text):
        raise ValueError("an anchor is a number, a colon and 64 hexadecimal characters, as a night's report shows it")
    return text


def holds(records: Sequence[Record], anchored: str) -> bool:
    """Whether a proved log still has the record of an anchor."""
    number, digest = anchored.split(":")
    return int(number) < len(records) and records[int(number)].hash == digest
