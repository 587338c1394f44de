"""What the rules of a night are given: the tables of both sides, the policy, and what earlier nights knew.

A bundle holds the tables that its caller read. A rule that asks for another one fails at once, so that a table that
was not read is never taken for an empty one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pandas as pd

from billing_dq import tables
from billing_dq.reconcile.disputes.cases import PackPrice
from billing_dq.reconcile.meter.context import no_earlier_plans
from billing_dq.units import Tolerance
from billing_dq.weeks import NightWeeks

QUOTA_COLUMNS = ["organization_id", "week_key", "meter_quota"]


class MissingTableError(LookupError):
    """A rule asked for a table that its caller did not read; a fault of this program."""


@dataclass(frozen=True)
class Policy:
    """What the operator decides; see the settings of the same names."""

    tolerance: Tolerance
    quota_of_plan: Mapping[str, float]
    quota_multiple: float
    floor_units: float | None
    packs: Mapping[str, PackPrice]
    dollars_to_units: float
    pending_minutes: float
    runbook_url: str
    follow_weeks: int = 26
    change_resets_usage: bool = False


class _Frame:
    """A table of a bundle, under the name of its contract."""

    def __init__(self, table: tables.Table, *, empty_if_absent: bool = False) -> None:
        self._table, self._empty_if_absent = table, empty_if_absent

    def __get__(self, bundle: "ApplicationTables | StripeTables", owner: type) -> pd.DataFrame:
        if self._table.name in bundle.frames:
            return bundle.frames[self._table.name]
        if not self._empty_if_absent:
            raise MissingTableError(f"{self._table.name} was not read")
        return self._table.empty()


@dataclass(frozen=True)
class ApplicationTables:
    """The application's side: the weeks and the instant of its snapshot, and tables by name.

    Attributes:
        weeks: the weeks of the night.
        frames: tables of `billing_dq.tables` by name, each with its contract's columns. Tables that grow with the
            ledger come by batch instead (`OrganizationBatch`).
        is_whole: whether all of it was read. Else some organizations are not there, nothing is resolved, and nothing is
            added up over the weeks of earlier nights.
    """

    weeks: NightWeeks
    frames: Mapping[str, pd.DataFrame]
    is_whole: bool = True

    organizations = _Frame(tables.ORGANIZATIONS)
    subscriptions = _Frame(tables.SUBSCRIPTIONS)
    balances = _Frame(tables.EXTRAS_BALANCES)
    ledger_suspects = _Frame(tables.LEDGER_SUSPECTS)
    dispute_entries = _Frame(tables.DISPUTE_ENTRIES)
    pack_purchases = _Frame(tables.PACK_PURCHASES)
    refund_entries = _Frame(tables.REFUND_ENTRIES)
    dead_lettered_events = _Frame(tables.DEAD_LETTERED_EVENTS)
    quarantined = _Frame(tables.QUARANTINED_DOCUMENTS)
    unreadable = _Frame(tables.UNREADABLE_KEYS)
    # Absent where only the weeks of the window are looked at, and in nights from before ledgers were sealed.
    followed_weeks = _Frame(tables.FOLLOWED_WEEKS, empty_if_absent=True)
    ledger_seals = _Frame(tables.LEDGER_SEALS, empty_if_absent=True)


@dataclass(frozen=True)
class StripeTables:
    """Stripe's side. A night that did not read Stripe has none: not this bundle with empty tables.

    Attributes:
        frames: tables of `billing_dq.tables` by name.
        livemode: the mode of the key that read them.
        invoices_not_read: subscriptions whose newest paid invoice was out of reach of the night's requests.
        events_since: the instant from which on no event of a subscription is missing; None where none was read.
        since: by table, the instant from which on its list is complete: nothing older is claimed to be missing.
    """

    frames: Mapping[str, pd.DataFrame]
    livemode: bool
    invoices_not_read: frozenset[str] = frozenset()
    events_since: datetime | None = None
    since: Mapping[str, datetime] = field(default_factory=dict[str, datetime])

    subscriptions = _Frame(tables.STRIPE_SUBSCRIPTIONS)
    invoices = _Frame(tables.STRIPE_INVOICES)
    disputes = _Frame(tables.STRIPE_DISPUTES)
    quarantined = _Frame(tables.QUARANTINED_STRIPE_OBJECTS)

    @property
    def subscription_events(self) -> pd.DataFrame | None:
        """`STRIPE_SUBSCRIPTION_EVENTS`; None where the key may not read events."""
        return self.frames.get("stripe_subscription_events")

    @property
    def charges(self) -> pd.DataFrame | None:
        """`STRIPE_CHARGES`; None where they could not be read."""
        return self.frames.get("stripe_charges")

    @property
    def refunds(self) -> pd.DataFrame | None:
        """`STRIPE_REFUNDS`; None where they could not be read."""
        return self.frames.get("stripe_refunds")


@dataclass(frozen=True)
class OrganizationBatch:
    """What grows with the ledger, of whole organizations.

    Attributes:
        usage: `WEEKLY_USAGE` without ``attribution_keys``.
        keys: ``row`` (position of a row of ``usage``, int64) and ``key`` (str), in commit order within a row.
        entries: `LEDGER_ENTRIES` of the same organizations; columns that no rule of batches reads may be left out.
    """

    usage: pd.DataFrame
    keys: pd.DataFrame
    entries: pd.DataFrame


@dataclass(frozen=True)
class LargeTables:
    """The tables that grow with the ledger, by parts of whole organizations. A stage walks each of them once.

    Attributes:
        batches: usage and ledger entries, in organization order.
        expiring_ledgers: `EXPIRING_LEDGERS`.
        followed: usage and ledger entries of the organizations with a followed week, from there on.
    """

    batches: Iterable[OrganizationBatch]
    expiring_ledgers: Iterable[pd.DataFrame]
    followed: Iterable[OrganizationBatch] = ()


def _no_quotas() -> pd.DataFrame:
    return tables.WEEKLY_USAGE.empty()[QUOTA_COLUMNS]


@dataclass(frozen=True)
class Earlier:
    """What earlier nights knew; nothing on a first night.

    Attributes:
        quotas: `QUOTA_COLUMNS` of the night's weeks, as earlier nights saw them (repeats allowed).
        plans: ``organization_id``, ``seen_at``, ``plan`` of subscriptions, as earlier nights within the night's weeks
            saw them, without those that the night sees itself.
        quotas_of_followed: the same as ``quotas``, in the followed weeks and of their organizations.
        plans_of_followed: the same as ``plans``, likewise.
        closed_weeks: `METER_EXTRAS_DELTAS` rows of the weeks that are closed and that the night does not cover.
        findings: `FINDINGS` of the night before, and what older nights resolved; None: there is no earlier night.
        quarantined: ``collection``, ``document_id`` and ``week_key`` (nullable) of the documents that the open
            findings about unreadable documents are about.
        acceptances: `ACCEPTANCES`: the findings of earlier nights that people accepted.
    """

    quotas: pd.DataFrame = field(default_factory=_no_quotas)
    plans: pd.DataFrame = field(default_factory=no_earlier_plans)
    quotas_of_followed: pd.DataFrame = field(default_factory=_no_quotas)
    plans_of_followed: pd.DataFrame = field(default_factory=no_earlier_plans)
    closed_weeks: pd.DataFrame = field(default_factory=tables.METER_EXTRAS_DELTAS.empty)
    findings: pd.DataFrame | None = None
    quarantined: pd.DataFrame | None = None
    acceptances: pd.DataFrame = field(default_factory=tables.ACCEPTANCES.empty)
