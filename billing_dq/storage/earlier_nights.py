"""Whether the nights before one stand: what they read and what they found is evidence for it, and ages its findings.

An earlier night that was read and not concluded, or whose files are not those of its manifest, is no evidence. Without
it every finding that persists would be called new: so a night is not concluded before the earlier one is finished,
restored, or left out knowingly.
"""

from collections.abc import Iterator

from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage import unfinished
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import NightManifest, manifests, stored_file
from billing_dq.storage.records import EvidenceRemovedRecord, SnapshotFactsRecord
from billing_dq.tables import (
    DISPUTE_POSITIONS,
    FINDINGS,
    FOLLOWED_WEEKS,
    METER_EXTRAS_DELTAS,
    NIGHT_MEASURES,
    NIGHTLY_REPORT,
    QUARANTINED_DOCUMENTS,
    QUARANTINED_STRIPE_OBJECTS,
    STRIPE_DISPUTES,
    SUBSCRIPTIONS,
    TABLES,
    UNREADABLE_KEYS,
    WEEKLY_USAGE,
)
from billing_dq.tables.sources import OF_MONGODB

#: So many earlier nights are looked at, as for what they resolved.
NIGHTS = 30
#: What a night takes from the newest earlier one, all of it small: held to its hash, not only to its size.
_FROM_THE_NEWEST = {
    table.name
    for table in (
        FINDINGS,
        FOLLOWED_WEEKS,
        DISPUTE_POSITIONS,
        QUARANTINED_DOCUMENTS,
        QUARANTINED_STRIPE_OBJECTS,
        UNREADABLE_KEYS,
    )
}
_HISTORY = _FROM_THE_NEWEST | {
    table.name
    for table in (METER_EXTRAS_DELTAS, STRIPE_DISPUTES, SUBSCRIPTIONS, WEEKLY_USAGE, NIGHT_MEASURES, NIGHTLY_REPORT)
}


def require_nights_before(lake: Lake, night: str) -> None:
    """Refuse to conclude a night before the earlier ones are concluded and sound.

    Raises:
        SourceError: one is not; the message says which, and how to finish it, restore it or leave it out.
    """
    require_sound_nights_before(lake, night)
    for earlier in unfinished_before(lake, night)[:1]:
        raise SourceError(
            f"the night of {night} is not concluded: the night of {earlier} before it was read and not concluded; "
            f"finish that first (`billing-dq nightly --as-of {earlier}`, or the job conclude_night), or go on without "
            f"it: `billing-dq nightly --without-night {earlier}`"
        )


def require_sound_nights_before(lake: Lake, night: str) -> None:
    """Refuse to judge a night by earlier ones whose files are gone or damaged.

    Raises:
        SourceError: a file is not as the manifest of its night says.
    """
    hidden = unfinished.unfinished(lake.root)
    nights = [earlier for earlier in manifests(lake) if earlier < night and earlier not in hidden][-NIGHTS:]
    sizes = {name: size for table in sorted(_HISTORY) for name, size in _sizes(lake.root / table)} if nights else {}
    for earlier in reversed(nights):
        manifest = NightManifest.of(lake, earlier)
        damage = manifest and _damage(lake, manifest, sizes, hashed=earlier == nights[-1])
        if damage:
            raise SourceError(
                f"the night of {night} is not concluded: {damage}, and the manifest of {earlier} lists it; restore it "
                f"from a backup (`billing-dq doctor --night {earlier}` names all that is wrong), or go on without that "
                f"night: `billing-dq nightly --without-night {earlier}`"
            )


def unfinished_before(lake: Lake, night: str) -> list[str]:
    """The earlier nights whose MongoDB was read and which are not concluded, oldest first, but those left out."""
    waiting = unfinished.unfinished(lake.root) - unfinished.left_out(lake.root)
    return sorted(earlier for earlier in waiting if earlier < night and is_read(lake, earlier))


def is_read(lake: Lake, night: str) -> bool:
    """Whether all that a night reads of MongoDB is stored."""
    if SnapshotFactsRecord.of(lake.home, night) is None:
        return False
    needed = {*OF_MONGODB, QUARANTINED_DOCUMENTS.name, UNREADABLE_KEYS.name} - _removed(lake, night)
    return all(lake.stored(TABLES[name], night) is not None for name in needed)


def leave_out(lake: Lake, night: str) -> None:
    """Have every later night go on without this one, until it is concluded again.

    Raises:
        SourceError: nothing of it is stored.
    """
    if night not in manifests(lake) and lake.is_whole(night):
        raise SourceError(f"the night of {night} is not stored under {lake.root}: there is nothing to leave out")
    unfinished.leave_out(lake.root, night)


def _damage(lake: Lake, manifest: NightManifest, sizes: dict[str, int], hashed: bool) -> str:
    """What of a night's history is not as it was stored, in words; empty where all is."""
    tables = _HISTORY - _removed(lake, manifest.night)
    for name, file in manifest.files.items():
        table = name.partition("/")[0]
        if table not in tables:
            continue
        if name not in sizes:
            return f"{name} is gone"
        if sizes[name] != file.bytes or (
            hashed and table in _FROM_THE_NEWEST and stored_file(lake.root / name) != file
        ):
            return f"{name} is damaged"
    return ""


def _removed(lake: Lake, night: str) -> set[str]:
    """The tables of a night that retention removed."""
    record = EvidenceRemovedRecord.of(lake.home, night)
    return set(record.tables) if record else set()


def _sizes(directory: UPath) -> Iterator[tuple[str, int]]:
    """The files of a table with their sizes: one listing, where asking for each file would be slow in a store."""
    if directory.exists():
        for entry in directory.fs.ls(directory.path, detail=True):
            yield f"{directory.name}/{entry['name'].rpartition('/')[2]}", int(entry["size"] or 0)
