"""The rows of a stored night that some findings may be about, read once for all of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from billing_dq.reconcile.findings.finding import records
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import EvidenceRemovedRecord, StripeReadingRecord
from billing_dq.tables import (
    DEAD_LETTERED_EVENTS,
    DISPUTE_ENTRIES,
    DISPUTE_POSITIONS,
    EXPIRING_LEDGERS,
    EXTRAS_BALANCES,
    FOLLOWED_ENTRIES,
    FOLLOWED_USAGE,
    LEDGER_ENTRIES,
    LEDGER_SUSPECTS,
    LEDGER_VIOLATIONS,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    ORGANIZATIONS,
    PACK_PURCHASES,
    QUARANTINED_DOCUMENTS,
    REFUND_ENTRIES,
    RUNAWAY_BALANCES,
    STRIPE_CHARGES,
    STRIPE_DISPUTES,
    STRIPE_INVOICES,
    STRIPE_REFUNDS,
    STRIPE_SUBSCRIPTION_EVENTS,
    STRIPE_SUBSCRIPTIONS,
    SUBSCRIPTION_DRIFT,
    SUBSCRIPTIONS,
    WEEKLY_USAGE,
    Table,
)

_OF_ORGANIZATIONS = (
    *(ORGANIZATIONS, WEEKLY_USAGE, FOLLOWED_USAGE, EXTRAS_BALANCES, LEDGER_ENTRIES, FOLLOWED_ENTRIES),
    *(EXPIRING_LEDGERS, LEDGER_SUSPECTS, DISPUTE_ENTRIES, REFUND_ENTRIES),
    *(METER_EXTRAS_DELTAS, METER_EXTRAS_EVIDENCE, LEDGER_VIOLATIONS, RUNAWAY_BALANCES),
)


Row = dict[str, object]


@dataclass(frozen=True)
class NightFrames:
    """Tables of a stored night, as far as they are about some organizations and names.

    A finding asks for a few rows by a name, hundreds of times: rows as mappings answer that in a hundredth of the time
    that frames need.

    Attributes:
        frames: by table name; a table that the night does not have is not among them.
        livemode: of the key that read Stripe.
        absent: what is not there, in words.
    """

    night: str
    frames: Mapping[str, pd.DataFrame]
    livemode: bool = True
    absent: tuple[str, ...] = ()
    _rows: dict[tuple[str, str], dict[object, list[Row]]] = field(
        default_factory=dict[tuple[str, str], dict[object, list[Row]]], compare=False
    )

    def frame(self, table: Table) -> pd.DataFrame:
        """The rows of a table; none where the night does not have it."""
        return self.frames.get(table.name, table.empty())

    def frame_of(self, table: Table, organization: str | None) -> pd.DataFrame:
        """The rows of a table about one organization."""
        rows = self.frame(table)
        return rows[rows["organization_id"] == (organization or "")]

    def of(self, table: Table, organization: str | None) -> list[Row]:
        """The rows of a table about one organization, as mappings."""
        return self.named(table, "organization_id", organization)

    def named(self, table: Table, column: str, name: object) -> list[Row]:
        """The rows of a table with a name in a column, as mappings."""
        key = table.name, column
        if key not in self._rows:
            rows: dict[object, list[Row]] = {}
            for row in records(self.frame(table)):
                rows.setdefault(row[column], []).append(row)
            self._rows[key] = rows
        return self._rows[key].get(name, []) if isinstance(name, str) else []


def read_frames(lake: Lake, night: str, findings: pd.DataFrame) -> NightFrames:
    """What a night holds about some findings.

    Args:
        lake: the stored nights.
        night: YYYY-MM-DD.
        findings: `FINDINGS`.

    Raises:
        SourceError: a table of the night is damaged.
    """
    reading = _Reading(lake, night)
    organizations = set(findings["organization_id"].dropna())
    subjects = set(findings["subject"])
    reading.rows(SUBSCRIPTION_DRIFT, organization_id=organizations, stripe_subscription_id=subjects)
    _read_payments(reading, organizations, subjects)
    purchases = reading.rows(PACK_PURCHASES, organization_id=organizations, stripe_session_id=subjects | reading.names)
    of_subject = purchases["stripe_session_id"].isin(_sessions_of(reading.frames, subjects))
    organizations |= set(purchases.loc[of_subject, "organization_id"])
    _read_subscriptions(reading, organizations, subjects)
    for table in _OF_ORGANIZATIONS:
        reading.rows(table, organization_id=organizations)
    reading.rows(DEAD_LETTERED_EVENTS, event_id=subjects)
    reading.rows(QUARANTINED_DOCUMENTS, document_id=subjects)
    stripe, removed = StripeReadingRecord.of(lake.home, night), EvidenceRemovedRecord.of(lake.home, night)
    absent = [] if removed is None else [removed.reason]
    if stripe is None or stripe.state != "read":
        absent.append("Stripe was not read that night: its side is missing here.")
    return NightFrames(night, reading.frames, stripe is None or bool(stripe.livemode), tuple(absent))


class _Reading:
    """The tables of a night that were read so far, and the names of Stripe's objects in them."""

    def __init__(self, lake: Lake, night: str) -> None:
        self._lake, self._night = lake, night
        self.frames: dict[str, pd.DataFrame] = {}
        self.names: set[str] = set()

    def rows(self, table: Table, **values: Iterable[str]) -> pd.DataFrame:
        """The rows of a table where any of some columns has one of its values."""
        stored = self._lake.stored(table, self._night)
        if stored is None:
            return table.empty()
        parts = [stored.where(column, sorted(names)) for column, names in values.items()]
        rows = pd.concat([self.all(table), *(part for part in parts if len(part))], ignore_index=True)
        self.frames[table.name] = rows.drop_duplicates(list(table.identity)) if len(parts) > 1 else rows
        return self.frames[table.name]

    def all(self, table: Table) -> pd.DataFrame:
        return self.frames.get(table.name, table.empty())


def _read_payments(reading: _Reading, organizations: set[str], subjects: set[str]) -> None:
    refunds = reading.rows(STRIPE_REFUNDS, refund_id=subjects)
    disputes = reading.rows(STRIPE_DISPUTES, organization_id=organizations, dispute_id=subjects)
    reading.rows(DISPUTE_POSITIONS, organization_id=organizations, dispute_id=subjects)
    charged = subjects | set(refunds["charge_id"].dropna()) | set(disputes["charge_id"])
    charges = reading.rows(STRIPE_CHARGES, organization_id=organizations, charge_id=charged, stripe_session_id=subjects)
    reading.rows(STRIPE_REFUNDS, charge_id=set(charges["charge_id"]), refund_id=())
    reading.names = set(charges["stripe_session_id"].dropna()) | set(disputes["stripe_session_id"].dropna())


def _read_subscriptions(reading: _Reading, organizations: set[str], subjects: set[str]) -> None:
    documents = reading.rows(
        SUBSCRIPTIONS,
        organization_id=organizations,
        stripe_subscription_id=subjects,
        stripe_customer_id=subjects,
    )
    customers = subjects | set(documents["stripe_customer_id"].dropna())
    ids = subjects | set(documents["stripe_subscription_id"].dropna())
    subscriptions = reading.rows(STRIPE_SUBSCRIPTIONS, stripe_subscription_id=ids, customer_id=customers)
    ids |= set(subscriptions["stripe_subscription_id"])
    for table in (STRIPE_INVOICES, STRIPE_SUBSCRIPTION_EVENTS):
        reading.rows(table, stripe_subscription_id=ids)


def _sessions_of(frames: Mapping[str, pd.DataFrame], subjects: set[str]) -> set[str]:
    """The checkout sessions of the charges, refunds and disputes among the subjects, and those that are subjects."""
    charges = frames.get(STRIPE_CHARGES.name, STRIPE_CHARGES.empty())
    named = charges["charge_id"].isin(subjects)
    for table, column in ((STRIPE_REFUNDS, "refund_id"), (STRIPE_DISPUTES, "dispute_id")):
        rows = frames.get(table.name, table.empty())
        named |= charges["charge_id"].isin(rows.loc[rows[column].isin(subjects), "charge_id"].dropna())
    return subjects | set(charges.loc[named, "stripe_session_id"].dropna())
