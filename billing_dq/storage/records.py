"""What a night knows about its own reading: when and what was read, and how. Stored as JSON beside the tables,
`<home>/lake/<name>/<night>.json`, so that everything after the sources takes its instant from there and not the clock.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage.places import place_of
from billing_dq.storage.placing import put_text
from billing_dq.weeks import NightWeeks


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: ClassVar[str]

    @classmethod
    def path(cls, home: str, night: str) -> UPath:
        """Where the record of a night is stored."""
        return place_of(home) / "lake" / cls.name / f"{night}.json"

    @classmethod
    def of(cls, home: str, night: str) -> Self | None:
        """The stored record of a night, None where that night has none."""
        path = cls.path(home, night)
        return cls.model_validate_json(path.read_text(encoding="utf-8")) if path.exists() else None

    @classmethod
    def remove(cls, home: str, night: str) -> None:
        """Take the record away before what it speaks of is replaced: a reading is there when its record is."""
        cls.path(home, night).unlink(missing_ok=True)

    @classmethod
    def require(cls, home: str, night: str) -> Self:
        """The stored record of a night.

        Raises:
            SourceError: that night is not stored.
        """
        record = cls.of(home, night)
        if record is None:
            raise SourceError(f"the night of {night} is not stored under {home}; run `billing-dq nightly` first")
        return record


class CollectionCounts(BaseModel):
    """Documents of a collection; counted = read + quarantined + out_of_scope (weeks that the night does not cover).

    Those that were not asked for are among them as the server keeps count, at the time of the reading.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    counted: int
    read: int
    quarantined: int
    out_of_scope: int


class SnapshotFactsRecord(_Record):
    """How the MongoDB snapshot of a night was taken. ``as_of`` is the instant that every later step works with;
    ``newest`` says when a collection was last written, as far as its documents tell; ``later`` is the newest such date
    after the snapshot. A night that could read less than ``least_examined`` of a collection is incomplete.
    """

    name: ClassVar[str] = "snapshot_facts"
    as_of: datetime
    weeks_back: int
    settling_hours: float
    server_version: str
    topology: str
    one_snapshot: bool
    read_plainly_because: str = ""
    missing_collections: tuple[str, ...]
    counts: dict[str, CollectionCounts]
    newest: dict[str, datetime] = Field(default_factory=dict)
    later: dict[str, datetime] = Field(default_factory=dict)
    least_examined: float = 0.0
    seconds: dict[str, float]
    not_read: tuple[str, ...] = ()
    whole_until: str | None = None

    @property
    def incomplete_because(self) -> str:
        """Why the night is incomplete: MongoDB was not read to its end, or too little could be read; else empty."""
        if not self.not_read:
            return self._examined_too_little
        examined = {None: "every organization was", "": "no organization was"}.get(
            self.whole_until, f"the organizations up to {self.whole_until} were"
        )
        return f"mongodb_budget_seconds ended before all of {', '.join(self.not_read)} was read; {examined} examined"

    @property
    def examined(self) -> dict[str, float]:
        """The share of its documents in scope that could be read, of each collection of the company that has any."""
        return {
            name: count.read / (count.read + count.quarantined)
            for name, count in self.counts.items()
            if name != "processedstripeevents" and count.read + count.quarantined
        }

    @property
    def _examined_too_little(self) -> str:
        if not self.least_examined:
            return ""
        unread = [
            f"{self.counts[name].read:,} of {self.counts[name].read + self.counts[name].quarantined:,} of {name}"
            for name, share in self.examined.items()
            if share < self.least_examined
        ]
        if unread:
            return f"only {', '.join(unread)} could be read, less than least_examined = {self.least_examined:g}"
        for name, what in (("organizations", "no organization"), ("billingusages", "no usage of the night's weeks")):
            if name in self.counts and not self.counts[name].read:
                return f"{what} was read from {name}: nothing was compared"
        return ""

    @property
    def weeks(self) -> NightWeeks:
        """The weeks of the night."""
        return NightWeeks(self.as_of, self.weeks_back, self.settling_hours)


class StripeReadingRecord(_Record):
    """Whether Stripe was read in a night, and the reason where it was not. Without a reading its tables are absent.

    ``absent`` names the tables that could not be read although the rest could, each with the reason. From
    ``events_since`` on no event of a subscription is missing in `stripe_subscription_events`; from ``since`` on, by
    table, nothing is missing in the list. ``not_read`` counts by resource what was out of reach of the budget or of the
    key's permissions, and is not judged.
    """

    name: ClassVar[str] = "stripe_reading"
    state: Literal["read", "not_run", "failed"]
    reason: str
    livemode: bool | None
    requests: dict[str, int]
    invoices_not_read: tuple[str, ...]
    absent: dict[str, str] = Field(default_factory=dict)
    events_since: datetime | None = None
    since: dict[str, datetime] = Field(default_factory=dict)
    not_read: dict[str, int] = Field(default_factory=dict)


class EvidenceRemovedRecord(_Record):
    """That retention removed what a night had read: by the run of which night, and which tables. Results stay."""

    name: ClassVar[str] = "evidence_removed"
    by_night: str
    evidence_nights: int
    tables: tuple[str, ...]

    @property
    def reason(self) -> str:
        """Why the evidence is not there."""
        return (
            f"its evidence was removed by retention (evidence_nights = {self.evidence_nights}, in the night of "
            f"{self.by_night}): its results stand, and cannot be made again"
        )


class AuditAnchorRecord(_Record):
    """The anchor of the credits' audit log as it was when a night was first concluded, or why there is none."""

    name: ClassVar[str] = "audit_anchor"
    anchor: str

    def keep(self, home: str, night: str) -> Self:
        """Store it, unless that night has one already; the value is what is stored."""
        stored = self.of(home, night)
        if stored is None:
            put_text(self.model_dump_json(indent=1), self.path(home, night))
        return stored or self


class SoundTablesRecord(_Record):
    """Which of a night's tables cannot be trusted.

    Attributes:
        broken: tables that break a critical expectation, with the names of what they break: what rests on such a table
            is not computed that night.
    """

    # nights that an older version concluded hold the outcome of each check as well
    model_config = ConfigDict(frozen=True, extra="ignore")
    name: ClassVar[str] = "sound_tables"
    broken: dict[str, tuple[str, ...]]

    @property
    def unsound(self) -> frozenset[str]:
        """The names of the tables."""
        return frozenset(self.broken)

    def reason(self, tables: tuple[str, ...]) -> str:
        """What the given ones of them break, in words."""
        return "; ".join(f"{table} breaks {', '.join(self.broken[table])}" for table in tables)


class ReconciliationRecord(_Record):
    """Which results a night does not have, and why: a table that they rest on breaks a critical expectation."""

    name: ClassVar[str] = "reconciliation"
    absent: Mapping[str, str]
