"""The contract of every table: columns, dtypes, units, key, nullability. A frame that breaks it does not get past it.

Conventions, the same in every table: ``organization_id`` is 24 hex characters, times are UTC, units of the meter are
float64, ``*_cents`` and ``*_minor`` are integers of a currency's minor unit, text is pandas' ``str``. Each table is a
module constant; `TABLES` has them all by name. The columns that DESIGN.md fixes are snapshotted by a test.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import pandas as pd
from pandas._typing import DtypeObj
from pandas.api.types import pandas_dtype

Dtype = Literal["str", "float64", "int64", "bool", "boolean", "time", "list<str>", "list<movement>"]

_PANDAS: dict[Dtype, str] = {
    "time": "datetime64[ms, UTC]",
    "list<str>": "object",
    "list<movement>": "object",
}


class FrameError(ValueError):
    """A table broke its contract; the message names the table, the column and the reason."""


@dataclass(frozen=True)
class Column:
    """One column: its dtype, whether it may hold nulls, and what it means, with the unit."""

    name: str
    dtype: Dtype
    doc: str
    nullable: bool = False

    @property
    def pandas_dtype(self) -> DtypeObj:
        """The dtype of the column in a pandas frame; lists are objects."""
        return pandas_dtype(_PANDAS.get(self.dtype, self.dtype))


@dataclass(frozen=True)
class Table:
    """One table: what a row is, the columns with the key first, and how many of them make the key (0: no key)."""

    name: str
    one_row: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]

    @property
    def column_names(self) -> list[str]:
        """The columns, in order."""
        return [column.name for column in self.columns]

    def empty(self) -> pd.DataFrame:
        """A frame without rows that keeps the contract."""
        return self.conform(pd.DataFrame(columns=self.column_names))

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame in the contract's column order and dtypes, with a fresh index.

        Raises:
            FrameError: a column is missing, unknown or does not convert, holds a null it may not, or a key repeats.
        """
        self._check_columns(frame.columns)
        data: dict[str, pd.Series] = {}
        for column in self.columns:
            try:
                data[column.name] = frame[column.name].astype(column.pandas_dtype)
            except (TypeError, ValueError, OverflowError) as error:
                raise FrameError(f"{self.name}.{column.name} is no {column.dtype}: {error}") from None
        conformed = pd.DataFrame(data, columns=self.column_names).reset_index(drop=True)
        self._check_nulls(conformed)
        self._check_key(conformed)
        return conformed

    def from_rows(self, rows: Iterable[dict[str, object]]) -> pd.DataFrame:
        """A conforming frame of rows given as mappings; meant for small tables."""
        return self.conform(pd.DataFrame.from_records(list(rows), columns=self.column_names))

    def _check_columns(self, columns: Iterable[str]) -> None:
        present = list(columns)
        missing = [name for name in self.column_names if name not in present]
        extra = [name for name in present if name not in self.column_names]
        if missing or extra:
            raise FrameError(f"{self.name}: missing columns {missing}, unexpected columns {extra}")

    def _check_nulls(self, frame: pd.DataFrame) -> None:
        for column in self.columns:
            if not column.nullable:
                nulls = int(frame[column.name].isna().sum())
                if nulls:
                    raise FrameError(f"{self.name}.{column.name} holds {nulls} nulls and may hold none")

    def _check_key(self, frame: pd.DataFrame) -> None:
        if self.key and bool(frame.duplicated(list(self.key)).any()):
            row = frame.loc[frame.duplicated(list(self.key)), list(self.key)].iloc[0].to_dict()
            raise FrameError(f"{self.name}: more than one row for {row}")


_ORGANIZATION = Column("organization_id", "str", "ObjectId of the organization, 24 hex characters")
_WEEK = Column("week_key", "str", "ISO week, such as 2026-W47")

ORGANIZATIONS = Table(
    "organizations",
    "an organization",
    (_ORGANIZATION, Column("plan", "str", "plan as the organization's document has it", nullable=True)),
    key=("organization_id",),
)

SUBSCRIPTIONS = Table(
    "subscriptions",
    "a subscription document (one per organization)",
    (
        _ORGANIZATION,
        Column("stripe_customer_id", "str", "cus_..., null for organizations that never paid", nullable=True),
        Column("stripe_subscription_id", "str", "sub_..., null for free organizations", nullable=True),
        Column("plan", "str", "plan in the application", nullable=True),
        Column("status", "str", "status in the application", nullable=True),
        Column("current_period_start", "time", "start of the paid period", nullable=True),
        Column("past_due_since", "time", "set while a payment is overdue", nullable=True),
        Column("last_invoice_event_at", "time", "creation of the newest invoice event applied", nullable=True),
        Column("last_subscription_event_at", "time", "likewise, of subscription events", nullable=True),
        Column("admin_updated_at", "time", "when a person changed the plan by hand", nullable=True),
        Column("updated_at", "time", "last write of the document", nullable=True),
    ),
    key=("organization_id",),
)

WEEKLY_USAGE = Table(
    "weekly_usage",
    "an organization's usage document of a week, in organization and week order (one week further on both ends)",
    (
        _ORGANIZATION,
        _WEEK,
        Column("meter_used", "float64", "units used, settlements included"),
        Column("meter_quota", "float64", "units included, as snapshotted in the document"),
        Column("plan_version", "str", "label of the plan's definition", nullable=True),
        Column(
            "settled_units",
            "float64",
            "units that a settlement charged: meter_used less the breakdown where the settle key is there, else 0; "
            "null where the key is there without a breakdown",
            nullable=True,
        ),
        Column("updated_at", "time", "last write of the document", nullable=True),
        Column("attribution_keys", "list<str>", "consumed keys in commit order, settle keys included"),
    ),
    key=("organization_id", "week_key"),
)

EXTRAS_BALANCES = Table(
    "extras_balances",
    "an organization's balance document",
    (
        _ORGANIZATION,
        Column("cached_balance", "float64", "units, as the document caches them"),
        Column("ledger_sum", "float64", "units, sum of the amounts of the whole ledger"),
        Column("entry_count", "int64", "entries in the ledger"),
        Column("document_bytes", "int64", "BSON size of the document"),
        Column("cached_balance_at", "time", "when the balance was last written", nullable=True),
    ),
    key=("organization_id",),
)

_ENTRY = Column("entry_id", "str", "ObjectId of the ledger entry")
_REF = Column("ref_id", "str", "refId of the ledger entry", nullable=True)
_LEDGER_COLUMNS = (
    _ORGANIZATION,
    Column("position", "int64", "place in the ledger, from 0: the commit order"),
    _ENTRY,
    Column("kind", "str", "topup, debit, refund, expiration, adjustment (or what the document says)"),
    Column("amount", "float64", "units, signed"),
    _REF,
    Column("stripe_session_id", "str", "checkout session of a bought pack or its refund", nullable=True),
    Column("source", "str", "signup_grant, referral, adjustment", nullable=True),
    Column("at", "time", "when the entry was written"),
    Column("expires_at", "time", "when what is left of a top-up expires", nullable=True),
)

LEDGER_ENTRIES = Table(
    "ledger_entries",
    "a ledger entry dated in the night's weeks or a day either side, in organization and commit order",
    _LEDGER_COLUMNS,
    key=("organization_id", "position"),
)

EXPIRING_LEDGERS = Table(
    "expiring_ledgers",
    "an entry of the whole ledger of an organization with a top-up past its expiry, for the replay of its lots",
    _LEDGER_COLUMNS,
    key=("organization_id", "position"),
)

LEDGER_SUSPECTS = Table(
    "ledger_suspects",
    "an entry of a whole ledger that the server found to break a rule of single entries or of repeated references",
    (
        _ORGANIZATION,
        Column(
            "rule",
            "str",
            "duplicate_ref, duplicate_session, sign, zero_amount, future_entry, missing_ref or unknown_kind",
        ),
        _ENTRY,
        Column("position", "int64", "place in the ledger, from 0"),
        Column("kind", "str", "kind of the entry"),
        _REF,
        Column("stripe_session_id", "str", "checkout session", nullable=True),
        Column("amount", "float64", "units, signed"),
        Column("at", "time", "when the entry was written"),
    ),
    key=("organization_id", "rule", "position"),
)

DISPUTE_ENTRIES = Table(
    "dispute_entries",
    "an entry of a whole ledger that names a dispute (clawback, reinstatement) or is a credit given by hand",
    (
        _ORGANIZATION,
        _ENTRY,
        Column("kind", "str", "refund or adjustment"),
        Column("ref_id", "str", "refund-dispute_..., dispute_..., dispute_reinstate_... or dispute-credit-..."),
        Column("amount", "float64", "units, signed"),
        Column("at", "time", "when the entry was written"),
    ),
    key=(),
)

PACK_PURCHASES = Table(
    "pack_purchases",
    "a top-up of a whole ledger that was bought in a checkout session, to find the organization of a dispute",
    (
        _ORGANIZATION,
        _ENTRY,
        Column("stripe_session_id", "str", "checkout session"),
        Column("amount", "float64", "units"),
        Column("at", "time", "when the entry was written"),
    ),
    key=(),
)

DEAD_LETTERED_EVENTS = Table(
    "dead_lettered_events",
    "a webhook event that the application gave up on",
    (
        Column("event_id", "str", "evt_..."),
        Column("type", "str", "event type", nullable=True),
        Column("last_error", "str", "the application's last error, without addresses", nullable=True),
        Column("attempts", "float64", "attempts made", nullable=True),
        Column("at", "time", "processedAt", nullable=True),
    ),
    key=("event_id",),
)

_QUARANTINE_COLUMNS = (
    Column("collection", "str", "collection, or stripe.<resource>"),
    Column("document_id", "str", "_id of the document as text"),
    Column("field", "str", "path of the field that breaks the contract"),
    Column("reason", "str", "what is wrong with it, in words"),
)

QUARANTINED_DOCUMENTS = Table(
    "quarantined_documents",
    "a field of a document that could not be read",
    _QUARANTINE_COLUMNS,
    key=("collection", "document_id", "field"),
)

QUARANTINED_STRIPE_OBJECTS = Table(
    "quarantined_stripe_objects",
    "a field of a Stripe object that could not be read",
    _QUARANTINE_COLUMNS,
    key=("collection", "document_id", "field"),
)

UNREADABLE_KEYS = Table(
    "unreadable_keys",
    "an organization, or a week of one, that a quarantined document leaves in the dark (duplicate_key leaves nothing)",
    (
        Column("collection", "str", "the collection's name in DOMAIN.md, whatever it is called in the settings"),
        Column("document_id", "str", "_id of the document as text"),
        Column("organization_id", "str", "organization, null where the document does not tell", nullable=True),
        Column("week_key", "str", "week, null: every week that has no other document", nullable=True),
        Column(
            "stripe_subscription_id",
            "str",
            "subscription that a subscription document still points to, empty: to none, null: it does not tell",
            nullable=True,
        ),
        Column("stripe_customer_id", "str", "customer of a subscription document, where it tells", nullable=True),
    ),
    key=("collection", "document_id"),
)

STRIPE_SUBSCRIPTIONS = Table(
    "stripe_subscriptions",
    "a subscription at Stripe",
    (
        Column("stripe_subscription_id", "str", "sub_..."),
        Column("customer_id", "str", "cus_..."),
        Column("status", "str", "status at Stripe, passed on as it is"),
        Column("price_ids", "list<str>", "price of each item"),
        Column("plan", "str", "plan of the items, or `unresolved` or `ambiguous`"),
        Column("created", "time", "creation"),
        Column("livemode", "bool", "live or test mode"),
    ),
    key=("stripe_subscription_id",),
)

STRIPE_INVOICES = Table(
    "stripe_invoices",
    "the newest paid invoice of a subscription",
    (
        Column("stripe_subscription_id", "str", "sub_..."),
        Column("invoice_id", "str", "in_..."),
        Column("paid_at", "time", "status_transitions.paid_at"),
    ),
    key=("stripe_subscription_id",),
)

STRIPE_DISPUTES = Table(
    "stripe_disputes",
    "a dispute at Stripe, with the movements of its money",
    (
        Column("dispute_id", "str", "du_... or dp_..."),
        Column("charge_id", "str", "ch_..."),
        Column("status", "str", "status at Stripe, passed on as it is"),
        Column("amount_minor", "int64", "disputed amount in the charge's currency, minor units"),
        Column("currency", "str", "the charge's currency"),
        Column("organization_id", "str", "from the charge's metadata, else its payment intent's", nullable=True),
        Column("stripe_session_id", "str", "likewise; __pending__ counts as absent", nullable=True),
        Column("pack_id", "str", "likewise", nullable=True),
        Column("created", "time", "when the dispute was opened"),
        Column("movements", "list<movement>", "balance transactions in settlement currency, fees left out"),
        Column("livemode", "bool", "live or test mode"),
    ),
    key=("dispute_id",),
)

METER_EXTRAS_DELTAS = Table(
    "meter_extras_deltas",
    "an organization's week that has a usage document or a debit",
    (
        _ORGANIZATION,
        _WEEK,
        Column("week_state", "str", "open, settling or closed"),
        Column("meter_used", "float64", "units; 0 without a usage document"),
        Column("meter_quota", "float64", "units; 0 without a usage document"),
        Column("expected_units", "float64", "units that should have been debited"),
        Column("actual_units", "float64", "units debited, by the debits' `at`"),
        Column("delta_units", "float64", "expected - actual: positive is undercharged"),
        Column("tolerance_units", "float64", "the largest tolerated |delta|"),
        Column("diverged", "boolean", "|delta| above the tolerance; null where unreadable", nullable=True),
        Column("grade", "str", "exact, within_tolerance, explained, unexplained or unreadable"),
        Column("cause", "str", "the largest cause; null where there is none", nullable=True),
        Column("explained_units", "float64", "signed units that causes by design account for"),
        Column("unexplained_units", "float64", "delta less explained_units"),
        Column("explanation", "str", "one sentence with the arithmetic"),
    ),
    key=("organization_id", "week_key"),
)

METER_EXTRAS_EVIDENCE = Table(
    "meter_extras_evidence",
    "a piece of evidence of an organization's week that is not exact; the units of a week add up to its delta",
    (
        _ORGANIZATION,
        _WEEK,
        Column("cause", "str", "a cause of CAUSES.md"),
        Column("rule", "str", "the proof, in a word"),
        Column("confidence", "str", "proved, consistent or guess"),
        Column("ref_id", "str", "attribution key or refId it rests on", nullable=True),
        Column("entry_id", "str", "ledger entry it rests on", nullable=True),
        Column("units", "float64", "signed share of the delta"),
    ),
    key=(),
)

RUNAWAY_BALANCES = Table(
    "runaway_balances",
    "a balance below its threshold",
    (
        _ORGANIZATION,
        Column("cached_balance", "float64", "units"),
        Column("meter_quota", "float64", "units of the quota that was used"),
        Column("threshold_units", "float64", "the balance that must not be undercut"),
        Column("rule", "str", "week_quota, plan_quota or floor"),
    ),
    key=("organization_id",),
)

LEDGER_VIOLATIONS = Table(
    "ledger_violations",
    "a broken rule of the ledger",
    (
        _ORGANIZATION,
        Column("rule", "str", "a ledger rule of DESIGN.md"),
        Column("entry_id", "str", "entry, null where the rule is about the whole ledger", nullable=True),
        _REF,
        Column("units", "float64", "units at stake, signed as in the detail"),
        Column("detail", "str", "one sentence with the numbers"),
    ),
    key=(),
)

SUBSCRIPTION_DRIFT = Table(
    "subscription_drift",
    "a difference between a subscription here and at Stripe",
    (
        Column("organization_id", "str", "null where the subscription is unknown here", nullable=True),
        Column("stripe_subscription_id", "str", "sub_...", nullable=True),
        Column("kind", "str", "a finding kind of subscriptions"),
        Column("in_database", "str", "what the application has", nullable=True),
        Column("in_stripe", "str", "what Stripe has", nullable=True),
    ),
    key=(),
)

DISPUTE_POSITIONS = Table(
    "dispute_positions",
    "a dispute, with what was taken and given back on both sides",
    (
        Column("dispute_id", "str", "du_... or dp_..."),
        Column("organization_id", "str", "organization, null where unknown", nullable=True),
        Column("charge_id", "str", "ch_..."),
        Column("status", "str", "status at Stripe"),
        Column("currency", "str", "the charge's currency; the movements' own where an exchange rate is missing"),
        Column("withdrawn_minor", "int64", "withdrawn, minor units of the currency, positive"),
        Column("reinstated_minor", "int64", "reinstated, minor units of the currency, positive"),
        Column("fraction", "float64", "share of the withdrawn money that came back; null where unknown", nullable=True),
        Column("clawed_back_units", "float64", "units of the first clawback, positive"),
        Column("credited_units", "float64", "units given back, by this system and by hand"),
        Column("due_units", "float64", "units still to be given back; 0 where parked or refused"),
        Column("decision", "str", "nothing_due, due, parked or refused"),
        Column("reason", "str", "the reason, in a word"),
    ),
    key=("dispute_id",),
)

FINDINGS = Table(
    "findings",
    "a finding, with its life from night to night",
    (
        Column("finding_id", "str", "stable from night to night"),
        Column("kind", "str", "a finding kind of DESIGN.md"),
        Column("organization_id", "str", "organization, null where none is concerned", nullable=True),
        Column("subject", "str", "week key, dispute, subscription, entry, event or document id, else the organization"),
        Column("severity", "str", "info, warning, error or critical"),
        Column("units", "float64", "units at stake, signed: positive is undercharged"),
        Column("usd_cents", "int64", "the same in US cents: positive is owed to us, negative to the customer"),
        Column("cause", "str", "cause, where one is known", nullable=True),
        Column("explanation", "str", "one sentence"),
        Column("runbook", "str", "link to the section of RUNBOOKS.md"),
        Column("state", "str", "new, persisting, resolved or reopened"),
        Column("first_seen", "str", "night of its first sight, YYYY-MM-DD"),
        Column("last_seen", "str", "night of its last sight, YYYY-MM-DD"),
        Column("nights_open", "int64", "nights taken on which it was open"),
    ),
    key=("finding_id",),
)

NIGHTLY_REPORT = Table(
    "nightly_report",
    "a headline figure of the night",
    (
        Column("name", "str", "name of the figure"),
        Column("value", "float64", "its value"),
        Column("unit", "str", "its unit: organizations, units, cents, findings, seconds, ..."),
    ),
    key=("name",),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        ORGANIZATIONS,
        SUBSCRIPTIONS,
        WEEKLY_USAGE,
        EXTRAS_BALANCES,
        LEDGER_ENTRIES,
        EXPIRING_LEDGERS,
        LEDGER_SUSPECTS,
        DISPUTE_ENTRIES,
        PACK_PURCHASES,
        DEAD_LETTERED_EVENTS,
        QUARANTINED_DOCUMENTS,
        QUARANTINED_STRIPE_OBJECTS,
        UNREADABLE_KEYS,
        STRIPE_SUBSCRIPTIONS,
        STRIPE_INVOICES,
        STRIPE_DISPUTES,
        METER_EXTRAS_DELTAS,
        METER_EXTRAS_EVIDENCE,
        RUNAWAY_BALANCES,
        LEDGER_VIOLATIONS,
        SUBSCRIPTION_DRIFT,
        DISPUTE_POSITIONS,
        FINDINGS,
        NIGHTLY_REPORT,
    )
}
