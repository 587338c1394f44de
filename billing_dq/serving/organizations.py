"""One organization over the stored nights: its weeks, its findings, its disputes; and the search that finds it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.disputes.timeline import TimelineEvent, timeline
from billing_dq.reconcile.findings.finding import records
from billing_dq.report.evidence.arithmetic import dispute_amounts
from billing_dq.report.evidence.record import Amount
from billing_dq.report.figures import Plain, rows_of
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.tables import (
    DISPUTE_ENTRIES,
    DISPUTE_POSITIONS,
    FINDINGS,
    METER_EXTRAS_DELTAS,
    ORGANIZATIONS,
    PACK_PURCHASES,
    STRIPE_DISPUTES,
    SUBSCRIPTIONS,
    Table,
)

#: Nights that a story looks back on.
NIGHTS = 90
#: Organizations that a search lists.
FOUND = 50
#: What a search looks for: the beginning of a value of these columns of the newest night.
_SEARCHED: tuple[tuple[Table, str], ...] = (
    (ORGANIZATIONS, "organization_id"),
    (SUBSCRIPTIONS, "stripe_customer_id"),
    (SUBSCRIPTIONS, "stripe_subscription_id"),
    (DISPUTE_POSITIONS, "dispute_id"),
    (FINDINGS, "organization_id"),
    (FINDINGS, "finding_id"),
    (FINDINGS, "subject"),
)


@dataclass(frozen=True)
class Dispute:
    """A dispute: its row of `DISPUTE_POSITIONS`, what happened, and its account."""

    position: Mapping[str, Plain]
    events: tuple[TimelineEvent, ...]
    amounts: tuple[Amount, ...]


@dataclass(frozen=True)
class Story:
    """What the stored nights say of an organization.

    Attributes:
        organization: 24 hexadecimal digits.
        about: its subscription as the newest night has it: ``plan``, ``status``, ids at Stripe.
        weeks: `METER_EXTRAS_DELTAS` with the ``night`` that each row is of, a row a week, oldest first; the newest
            night that looked at a week tells it.
        findings: `FINDINGS` with the ``night`` that each row is of, newest first; a row a finding and night.
        disputes: of the newest night with Stripe.
    """

    organization: str
    about: Mapping[str, Plain]
    weeks: pd.DataFrame
    findings: pd.DataFrame
    disputes: list[Dispute]

    @property
    def is_known(self) -> bool:
        """Whether any stored night that was looked at knows the organization."""
        return bool(self.about or self.disputes) or not (self.weeks.empty and self.findings.empty)

    def newest_findings(self) -> pd.DataFrame:
        """Each finding as the newest night that lists it has it, with that ``night``."""
        return self.findings.drop_duplicates("finding_id", keep="first")


def read_story(lake: Lake, organization: str) -> Story:
    """What the last `NIGHTS` stored nights say of an organization; empty where they do not know it."""
    return Story(
        organization=organization,
        about=_about(lake, organization),
        weeks=_weeks(lake, organization),
        findings=_findings(lake, organization),
        disputes=list(_disputes(lake, organization)),
    )


def search(lake: Lake, text: str) -> list[str]:
    """Organizations of the newest night that have an id beginning with a text: their own, at Stripe, of a dispute or of
    a finding. One more than `FOUND` at most.
    """
    found: list[str] = []
    for table, column in _SEARCHED if text else ():
        nights = lake.nights(table)
        if not nights:
            continue
        columns = list(dict.fromkeys(["organization_id", column]))
        rows = lake.require(table, nights[-1]).frame(columns).dropna()
        found += rows.loc[rows[column].str.startswith(text), "organization_id"].sort_values().tolist()
    return list(dict.fromkeys(found))[: FOUND + 1]


def _newest(lake: Lake, table: Table) -> list[str]:
    return lake.nights(table)[::-1][:NIGHTS]


def _about(lake: Lake, organization: str) -> dict[str, Plain]:
    for night in _newest(lake, SUBSCRIPTIONS)[:1]:
        rows = lake.require(SUBSCRIPTIONS, night).where("organization_id", [organization])
        for row in rows_of(rows, ("plan", "status", "stripe_customer_id", "stripe_subscription_id")):
            return row
    return {}


def _weeks(lake: Lake, organization: str) -> pd.DataFrame:
    """A night is read only where it looked at a week that no newer night did."""
    found = [METER_EXTRAS_DELTAS.empty().assign(night=pd.Series(dtype="str"))]
    covered: set[str] = set()
    for night in _newest(lake, METER_EXTRAS_DELTAS):
        facts = SnapshotFactsRecord.of(lake.home, night)
        keys = set() if facts is None else set(facts.weeks.keys)
        if keys - covered:
            covered |= keys
            rows = lake.require(METER_EXTRAS_DELTAS, night).where("organization_id", [organization])
            found.append(rows.assign(night=night))
    return pd.concat(found).drop_duplicates("week_key").sort_values("week_key", ignore_index=True)


def _findings(lake: Lake, organization: str) -> pd.DataFrame:
    found = [FINDINGS.empty().assign(night=pd.Series(dtype="str"))]
    for night in _newest(lake, FINDINGS):
        rows = lake.require(FINDINGS, night).where("organization_id", [organization])
        found.append(rows.assign(night=night))
    return pd.concat(found, ignore_index=True)


def _disputes(lake: Lake, organization: str) -> Iterator[Dispute]:
    for night in _newest(lake, DISPUTE_POSITIONS)[:1]:
        positions = lake.require(DISPUTE_POSITIONS, night).where("organization_id", [organization])
        if positions.empty:
            return
        tables = [
            lake.require(table, night).where("organization_id", [organization])
            for table in (STRIPE_DISPUTES, DISPUTE_ENTRIES, PACK_PURCHASES)
        ]
        shown = rows_of(positions, DISPUTE_POSITIONS.column_names)
        for position, row in zip(shown, records(positions), strict=True):
            events = timeline(str(position["dispute_id"]), *tables)
            yield Dispute(position, events, tuple(dispute_amounts(row)))
