"""What the other rules find, and what a night concludes."""

from billing_dq.tables.columns import ORGANIZATION_ID, REF_ID
from billing_dq.tables.contract import Column, Table

RUNAWAY_BALANCES = Table(
    "runaway_balances",
    "a balance below its threshold",
    (
        ORGANIZATION_ID,
        Column("cached_balance", "float64", "units", unit="units"),
        Column("meter_quota", "float64", "units of the quota that was used", unit="units"),
        Column("threshold_units", "float64", "the balance that must not be undercut", unit="units"),
        Column("rule", "str", "week_quota, plan_quota or floor"),
    ),
    key=("organization_id",),
)

LEDGER_VIOLATIONS = Table(
    "ledger_violations",
    "a broken rule of the ledger",
    (
        ORGANIZATION_ID,
        Column("rule", "str", "the broken rule, such as cached_balance or sign"),
        Column("entry_id", "str", "entry, null where the rule is about the whole ledger", nullable=True),
        REF_ID,
        Column("units", "float64", "units at stake, signed as in the detail", unit="units"),
        Column("detail", "str", "one sentence with the numbers"),
        Column("compensated_by", "str", "the entry that makes it good, null where none does", nullable=True),
    ),
    key=(),
)

SUBSCRIPTION_DRIFT = Table(
    "subscription_drift",
    "a difference between a subscription here and at Stripe",
    (
        Column("organization_id", "str", "null where the subscription is unknown here", nullable=True),
        Column("stripe_subscription_id", "str", "sub_...", nullable=True),
        Column("kind", "str", "the difference, such as subscription_status"),
        Column("in_database", "str", "what the application has", nullable=True),
        Column("in_stripe", "str", "what Stripe has", nullable=True),
        Column("cause", "str", "why, where it has a name: paid_out_of_band or collection_paused", nullable=True),
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
        Column(
            "withdrawn_minor",
            "int64",
            "withdrawn, minor units of the currency, positive; conversions left out",
            unit="minor units",
        ),
        Column(
            "reinstated_minor",
            "int64",
            "reinstated, minor units of the currency, positive; conversions left out",
            unit="minor units",
        ),
        Column(
            "fraction",
            "float64",
            "share of the withdrawn money that came back; null where unknown",
            nullable=True,
            unit="share",
        ),
        Column("clawed_back_units", "float64", "units of the first clawback, positive", unit="units"),
        Column("credited_units", "float64", "units of it given back, less those taken back by hand", unit="units"),
        Column("due_units", "float64", "units still to be given back; 0 where parked or refused", unit="units"),
        Column("decision", "str", "nothing_due, due, parked or refused"),
        Column("reason", "str", "the reason, in a word"),
    ),
    key=("dispute_id",),
)

FINDINGS = Table(
    "findings",
    "a finding, and how it stands from night to night",
    (
        Column("finding_id", "str", "stable from night to night"),
        Column("kind", "str", "the kind of break; `runbook` leads to what it means"),
        Column("organization_id", "str", "organization, null where none is concerned", nullable=True),
        Column("subject", "str", "week key, dispute, subscription, entry, event or document id, else the organization"),
        Column("severity", "str", "info, warning, error or critical"),
        Column("units", "float64", "units at stake, signed: positive is undercharged", unit="units"),
        Column(
            "usd_cents",
            "int64",
            "what is owed, US cents: positive to us, negative to the customer; 0 where another finding owns the money",
            unit="US cents",
        ),
        Column("same_money_as", "str", "the finding that owns this money, null where it is its own", nullable=True),
        Column("verdict", "str", "unexplained, undecided, by_design or too_small", nullable=True),
        Column("cause", "str", "cause, where one is known", nullable=True),
        Column("explanation", "str", "one sentence"),
        Column("runbook", "str", "link to the section of RUNBOOKS.md"),
        Column("broken_since", "time", "when it broke, null where nothing tells", nullable=True),
        Column("state", "str", "new, persisting, resolved or reopened"),
        Column("first_seen", "str", "night of its first sight, YYYY-MM-DD"),
        Column("last_seen", "str", "night of its last sight, YYYY-MM-DD"),
        Column("nights_open", "int64", "nights taken on which it was open", unit="nights"),
        Column("accepted_by", "str", "who accepted it as it is, null where nobody did", nullable=True),
        Column("accepted_why", "str", "the reason that was given", nullable=True),
        Column("accepted_until", "str", "the last night of the acceptance, null where it has none", nullable=True),
    ),
    key=("finding_id",),
)

NIGHTLY_REPORT = Table(
    "nightly_report",
    "a headline figure of the night",
    (
        Column("name", "str", "name of the figure"),
        Column("value", "float64", "its value", unit="see column unit"),
        Column("unit", "str", "its unit: organizations, units, cents, findings, seconds, ..."),
    ),
    key=("name",),
)
