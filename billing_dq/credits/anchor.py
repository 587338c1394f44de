"""The anchor of the audit log: the number and hash of its last record, kept outside the log's own file.

A chain of hashes proves that no record was changed in between. It cannot tell a log whose end was cut off, or one that
was written anew as a whole. Each night therefore puts the anchor into its run's metadata, its report and its record in
the lake. Before every credit, in every night and in `doctor` the log is held against all of these; by hand,
`billing-dq credits verify-audit --anchor` proves that the log still holds that record.
"""

import re
from collections.abc import Sequence

from billing_dq.credits.audit import (
    ACKNOWLEDGE,
    AuditError,
    AuditLog,
    AuditReading,
    Record,
    credits_directory,
    missing_anchors,
)
from billing_dq.credits.guard import anchor_text
from billing_dq.errors import SettingsError
from billing_dq.settings import Settings
from billing_dq.storage.records import AuditAnchorRecord

_ANCHOR = re.compile(r"(\d{1,12}):([0-9a-f]{64})")


def anchor_of(home: str) -> str:
    """The anchor of a home's log, ``<number>:<sha256>``; else why there is none. It never ends a night."""
    try:
        records = AuditLog(credits_directory(home)).read().records
    except SettingsError:
        return "none: credits need a local home"
    except (AuditError, OSError) as error:
        return f"NOT WHOLE: {error}"
    return anchor_text(records[-1]) if records else "none: no credit was ever touched"


def anchors_of_nights(settings: Settings) -> dict[str, str]:
    """The anchors in the records of the stored nights, by night."""
    folder = AuditAnchorRecord.path(settings.home, "night").parent
    nights = sorted(path.stem for path in folder.iterdir() if path.suffix == ".json") if folder.exists() else []
    records = {night: AuditAnchorRecord.of(settings.home, night) for night in nights}
    return {night: record.anchor for night, record in records.items() if record and _ANCHOR.fullmatch(record.anchor)}


def whole_log(settings: Settings) -> AuditReading:
    """The audit log, its chain proved, held against its guard and against the anchors of all stored nights.

    Raises:
        AuditError: it was changed, or records are gone that a night or the guard has named.
        SettingsError: the home is no local directory.
    """
    reading = AuditLog(credits_directory(settings.state_directory)).read()
    anchors = anchors_of_nights(settings)
    lost = missing_anchors(reading.records, anchors.values())
    if lost:
        night = next(night for night, anchor in anchors.items() if anchor == lost[0])
        raise AuditError(
            f"the audit log has {len(reading.records)} records, and not the record {lost[0]} that the night of {night} "
            f"told: restore it from a backup, or look into it and then `{ACKNOWLEDGE}`"
        )
    return reading


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
