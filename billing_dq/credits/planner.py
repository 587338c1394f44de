"""Plans: of a stored night, without asking anybody, and of one dispute as the world is now.

Both use the same rules (`reconcile.disputes`, `credits.plan`), so where nothing changed they agree to the hash.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pandas as pd

from billing_dq.credits.parking import OnRecord
from billing_dq.credits.plan import (
    CreditPlan,
    LedgerState,
    Limits,
    entries_of,
    plan_credit,
    positions_of,
)
from billing_dq.policy import policy_of
from billing_dq.reconcile.disputes.positions import dispute_positions
from billing_dq.reconcile.disputes.statuses import FINAL
from billing_dq.reconcile.inputs import ApplicationTables, StripeTables
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.organization_ledger import OrganizationReader, OrganizationReading
from billing_dq.sources.stripe import api as stripe_api
from billing_dq.sources.stripe.client import mode_of_key
from billing_dq.storage.lake import Lake
from billing_dq.tables import (
    DISPUTE_ENTRIES,
    DISPUTE_POSITIONS,
    EXTRAS_BALANCES,
    ORGANIZATIONS,
    PACK_PURCHASES,
    STRIPE_DISPUTES,
    SUBSCRIPTIONS,
    UNREADABLE_KEYS,
    Table,
)
from billing_dq.weeks import NightWeeks

_READ = (ORGANIZATIONS, SUBSCRIPTIONS, EXTRAS_BALANCES, DISPUTE_ENTRIES, PACK_PURCHASES, UNREADABLE_KEYS)


@dataclass(frozen=True)
class NightPlans:
    """The plans of the newest stored night, in the order of its `dispute_positions`."""

    night: str
    plans: tuple[CreditPlan, ...]


def limits_of(settings: Settings) -> Limits:
    """The limits of one credit in the settings."""
    return Limits(settings.credits.approve_above_units, settings.credits.max_units_per_credit)


def plans_of_night(settings: Settings, on_record: OnRecord, night: str | None = None) -> NightPlans:
    """The plans of a stored night, the newest by default; nothing but the lake is read.

    Raises:
        SourceError: no such night is stored, or a table of it is missing.
    """
    lake = Lake(settings.home)
    chosen, stored = lake.choose(DISPUTE_POSITIONS, night)
    frames = {
        table.name: lake.require(table, chosen).frame()
        for table in (DISPUTE_ENTRIES, EXTRAS_BALANCES, ORGANIZATIONS, SUBSCRIPTIONS)
    }
    # What was credited since that night is not in its ledgers, and not gone.
    parked = OnRecord(parked=on_record.parked)
    return NightPlans(chosen, tuple(plans_of_frames(stored.frame(), frames, parked, limits_of(settings))))


def plans_of_frames(
    positions: pd.DataFrame, frames: Mapping[str, pd.DataFrame], on_record: OnRecord, limits: Limits
) -> list[CreditPlan]:
    """A plan for each row of DISPUTE_POSITIONS, from the tables of the same night by name."""
    organizations = set(frames["organizations"]["organization_id"]) | set(frames["subscriptions"]["organization_id"])
    balances = frames["extras_balances"]
    lengths = dict(zip(balances["organization_id"], balances["entry_count"], strict=True))
    plans: list[CreditPlan] = []
    for position in positions_of(positions):  # one at a time: there are few, and each has its own ledger
        organization_id = position.organization_id
        length = lengths.get(organization_id)
        ledger = LedgerState(
            organization_known=organization_id in organizations,
            length=None if length is None else int(length),
            parked=organization_id in on_record.parked,
            entries=entries_of(frames["dispute_entries"], organization_id),
            credited_on_record=position.dispute_id in on_record.credited,
        )
        plans.append(plan_credit(position, ledger, limits))
    return plans


@dataclass(frozen=True)
class Planner:
    """Plans one dispute from what Stripe and the ledgers say now."""

    settings: Settings
    reader: OrganizationReader
    read_dispute: Callable[[Settings, str], pd.DataFrame] = stripe_api.read_dispute

    def plan(self, dispute_id: str, on_record: OnRecord) -> CreditPlan:
        """The plan of a dispute, over all disputes of its organization: a hand-given credit serves one of them only.

        A key whose mode cannot be told credits nothing: what it reads may be of the other mode than the ledgers.

        Raises:
            TransientSourceError: Stripe or MongoDB does not answer.
            SourceError: Stripe knows no such dispute, or a source cannot be read.
        """
        dispute = self.read_dispute(self.settings, dispute_id)
        naming = self.reader.with_dispute(dispute_id)
        organization_id = self._organization(dispute, naming)
        disputes = dispute if organization_id is None else self._with_others(organization_id, dispute)
        # Last, and the organization's own ledger last of all: its length guards the write.
        elsewhere = [self.reader.read(name) for name in naming if name != organization_id]
        readings = [*elsewhere, *([self.reader.read(organization_id)] if organization_id else [])]
        tables = {table.name: _together(table, readings) for table in _READ}
        mode = mode_of_key(self.settings)
        livemode = bool(dispute["livemode"].iloc[0]) if mode is None else mode
        positions = positions_now(self.settings, disputes, tables, livemode)
        position = positions.loc[positions["dispute_id"] == dispute_id]
        (plan,) = plans_of_frames(position, tables, on_record, limits_of(self.settings))
        return plan if mode is not None else replace(plan, decision="refused", reason="unknown_mode", units=0.0)

    def _organization(self, dispute: pd.DataFrame, naming: list[str]) -> str | None:
        """From the charge's or payment intent's metadata, else from its session's top-up, else from its clawback."""
        row = dispute.iloc[0]
        if pd.notna(row["organization_id"]):
            return str(row["organization_id"])
        session = row["stripe_session_id"]
        buyers = self.reader.with_session(str(session)) if pd.notna(session) else []
        organizations = buyers if len(buyers) == 1 else naming
        return organizations[0] if len(organizations) == 1 else None

    def _with_others(self, organization_id: str, dispute: pd.DataFrame) -> pd.DataFrame:
        """The dispute and the organization's others of the newest stored night, those not final read again."""
        lake = Lake(self.settings.home)
        nights = lake.nights(DISPUTE_POSITIONS)
        stored = lake.stored(STRIPE_DISPUTES, nights[-1]) if nights else None
        if stored is None:
            return dispute
        positions = lake.require(DISPUTE_POSITIONS, nights[-1]).frame()
        names = positions.loc[positions["organization_id"] == organization_id, "dispute_id"]
        disputes = stored.frame()
        others = disputes.loc[
            disputes["dispute_id"].isin(names) & (disputes["dispute_id"] != dispute["dispute_id"].iloc[0])
        ]
        final = others["status"].isin(FINAL)
        fresh = [self.read_dispute(self.settings, str(name)) for name in others.loc[~final, "dispute_id"]]
        rows = [row for frame in (dispute, others.loc[final], *fresh) for row in frame.to_dict("records")]
        return STRIPE_DISPUTES.from_rows({str(name): value for name, value in row.items()} for row in rows)


def positions_now(
    settings: Settings, disputes: pd.DataFrame, tables: Mapping[str, pd.DataFrame], livemode: bool
) -> pd.DataFrame:
    """DISPUTE_POSITIONS of these disputes and tables, by the rules of the night."""
    weeks = NightWeeks(datetime.now(UTC), settings.weeks_back, settings.settling_hours)
    application = ApplicationTables(weeks, tables)
    stripe = StripeTables({STRIPE_DISPUTES.name: disputes}, livemode)
    return dispute_positions(application, stripe, policy_of(settings)).positions


def _together(table: Table, readings: list[OrganizationReading]) -> pd.DataFrame:
    """One table of several organizations' readings."""
    frames = [table.empty(), *(reading.tables[table.name] for reading in readings)]
    return table.conform(pd.concat(frames, ignore_index=True))
