"""What the assets after the sources read: small tables by name, Stripe's tables where they exist, and what the rules
need of a range of organizations.

Not here: what is done with it.
"""

from collections.abc import Iterable, Iterator
from functools import cached_property

import dagster as dg
import pandas as pd

from billing_dq.defs.asset_names import OPTIONAL_STRIPE_TABLES, STRIPE_TABLES, asset_key
from billing_dq.defs.io_manager import frame_of, stored_evidence
from billing_dq.reconcile.inputs import ApplicationTables, OrganizationBatch, StripeTables
from billing_dq.storage.batches import UsageAndEntries, followed_batches, organization_batches
from billing_dq.storage.lake import Lake
from billing_dq.storage.organization_ranges import OrganizationRange
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import FOLLOWED_WEEKS, LEDGER_SEALS, SUBSCRIPTIONS, TABLES, UNREADABLE_KEYS

_FRAME = dg.PythonObjectDagsterType(pd.DataFrame)
#: Tables of every result, whatever else it rests on.
OF_EVERY_RESULT = ("followed_weeks", "followed_usage", "followed_entries", "unreadable_keys", "ledger_seals")


def frames_in(names: Iterable[str]) -> dict[str, dg.AssetIn]:
    """Tables that an asset holds in memory: it takes them as ``**frames``, a frame by name."""
    return {name: dg.AssetIn(asset_key(name), dagster_type=_FRAME) for name in names}


def stripe_tables(lake: Lake, night: str, reading: StripeReadingRecord) -> StripeTables | None:
    """Stripe's tables of a night; None where it was not read.

    They are no inputs of an asset: Dagster would skip the asset in a night without them.

    Raises:
        dg.Failure: the reading says that a table was read, and it is not stored.
    """
    if reading.state != "read":
        return None
    stored = {name: lake.stored(TABLES[name], night) for name in (*STRIPE_TABLES, *OPTIONAL_STRIPE_TABLES)}
    for name in STRIPE_TABLES:
        if stored[name] is None:
            raise dg.Failure(f"{name} of {night} is gone from {lake.root}, though stripe_reading says that it was read")
    frames = {name: table.frame() for name, table in stored.items() if table is not None}
    not_read = frozenset(reading.invoices_not_read)
    return StripeTables(frames, bool(reading.livemode), not_read, reading.events_since, reading.since)


class NightEvidence:
    """What the rules read of a range of organizations, when it is needed.

    Subscriptions, which tell whose a subscription at Stripe is, and followed weeks come of all organizations; documents
    that cannot be read also where they name no organization.
    """

    def __init__(self, lake: Lake, key: str, organizations: OrganizationRange) -> None:
        self.lake = Lake(lake.home, organizations)
        self.key = key
        self._of_all = lake

    @cached_property
    def ours(self) -> ApplicationTables:
        """The application's tables that fit into memory."""
        frames = {name: self._stored(name).frame() for name in ("extras_balances", "ledger_suspects")}
        for table in (SUBSCRIPTIONS, FOLLOWED_WEEKS):
            frames[table.name] = frame_of(stored_evidence(self._of_all, table, self.key))
        unreadable = stored_evidence(self._of_all, UNREADABLE_KEYS, self.key).frame()
        in_scope = unreadable["organization_id"].isna() | self._in_range(unreadable)
        frames[UNREADABLE_KEYS.name] = unreadable[in_scope]
        seals = self.lake.stored(LEDGER_SEALS, self.key)
        if seals is not None:  # a night that was read before there were seals has none
            frames[LEDGER_SEALS.name] = seals.frame()
        return ApplicationTables(SnapshotFactsRecord.require(self.lake.home, self.key).weeks, frames)

    @cached_property
    def at_stripe(self) -> StripeTables | None:
        """Stripe's tables; None where it was not read."""
        return stripe_tables(self._of_all, self.key, StripeReadingRecord.require(self.lake.home, self.key))

    @cached_property
    def window(self) -> UsageAndEntries:
        """Usage and entries of the night's own weeks, not read yet."""
        return UsageAndEntries(self._stored("weekly_usage"), self._stored("ledger_entries"))

    @property
    def batches(self) -> Iterator[OrganizationBatch]:
        """Usage and entries of the night's own weeks."""
        return organization_batches(self.window.usage, self.window.entries)

    @property
    def followed_batches(self) -> Iterator[OrganizationBatch]:
        """Usage and entries of the organizations with a followed week, back to it."""
        weeks = self.ours.followed_weeks
        older = UsageAndEntries(self._stored("followed_usage"), self._stored("followed_entries"))
        return followed_batches(self.window, older, weeks[self._in_range(weeks)])

    @property
    def expiring_ledgers(self) -> StoredTable:
        """Whole ledgers with an expiry, not read yet."""
        return self._stored("expiring_ledgers")

    def _in_range(self, rows: pd.DataFrame) -> pd.Series:
        """Which rows are of an organization of the range."""
        in_range = [isinstance(name, str) and self.lake.organizations.holds(name) for name in rows["organization_id"]]
        return pd.Series(in_range, rows.index, dtype="bool")

    def _stored(self, name: str) -> StoredTable:
        return stored_evidence(self.lake, TABLES[name], self.key)
