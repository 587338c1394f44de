"""Faults that break what is expected of the tables of a night, each labelled with the expectations that it breaks.

Three kinds. What a broken application, or Stripe, can write and the reading lets through breaks its expectation. Of
what the reading puts aside, the document is quarantined and no expectation is broken: an expectation, or the table's
contract, guards that the reading does so. And what the reading itself makes nobody can write; such an expectation
guards the reading alone.

An expectation is named ``<table>.<name>``, as in docs/rules.md.
"""

from dataclasses import dataclass
from random import Random

from billing_dq_simulation.clock import DAY, to_datetime
from billing_dq_simulation.company.story import Story
from billing_dq_simulation.config import WorldConfig
from billing_dq_simulation.faults.cases import Case
from billing_dq_simulation.faults.malformed import MALFORMED
from billing_dq_simulation.faults.tables.documents import (
    changed,
    dated_1970,
    dead_letter,
    dead_letter_twice,
    deleted_organization,
    half_a_unit_of_quota,
    of_nobody,
    second_document,
)
from billing_dq_simulation.faults.tables.ledgers import (
    clock_behind_now,
    clock_behind_of_corrections,
    clock_behind_then,
    entry_id_as_text,
    expiry_of_1970,
    first_entry_of_1970,
    half_a_unit_of_a_pack,
    half_a_unit_of_a_refund,
    kind_of_now,
    kind_of_old,
    pack_of_1970,
    pushed_1970,
)
from billing_dq_simulation.faults.tables.organization import Plant
from billing_dq_simulation.faults.tables.stripe import at_stripe, charge, pack_of_nobody, paid_in_1970
from billing_dq_simulation.labels import SimulatedOrganization
from billing_dq_simulation.world import simulate_one


@dataclass(frozen=True)
class TableFault:
    """A fault and its label.

    Attributes:
        plant: breaks an organization; a name of `MALFORMED` stands for that fault.
        red: the expectations that it breaks; none where the document is put aside.
        guarded: where it is put aside, the expectations that it would break; none where the table's contract refuses.
        why: where several expectations are broken, why it must be so.
    """

    plant: Plant | str
    red: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Broken:
    """An organization that a fault befell.

    Attributes:
        fault: its name.
        ids: by which a row of it is told: of the organization, of its documents, of its objects at Stripe.
    """

    fault: str
    organization: SimulatedOrganization
    ids: frozenset[str]


def broken_company(config: WorldConfig) -> tuple[list[Broken], list[SimulatedOrganization]]:
    """A company in which each fault of `TABLE_FAULTS` befell one organization: these, and those that are sound.

    Raises:
        ValueError: a fault can befall nobody in this world.
    """
    free = list(range(config.organizations))
    found: list[Broken] = []
    for name in TABLE_FAULTS:
        for index in free:
            organization = _broken(name, config, index)
            if organization is not None:
                free.remove(index)
                found.append(Broken(name, organization, frozenset(_ids(organization))))
                break
        else:
            raise ValueError(f"{name} can befall no organization of this world")
    return found, [simulate_one(config, index) for index in free]


def _broken(name: str, config: WorldConfig, index: int) -> SimulatedOrganization | None:
    plant = TABLE_FAULTS[name].plant
    if isinstance(plant, str):
        case = Case(config, index, Story(config, index), Random(f"{config.seed}:{index}:{name}"), name)
        return MALFORMED[plant](case)
    organization = simulate_one(config, index)
    return organization if plant(organization, config) else None


def _ids(organization: SimulatedOrganization) -> list[str]:
    documents = [one for rows in organization.documents.values() for one in rows]
    objects = [one for rows in organization.stripe.values() for one in rows]
    told = [*(one.get(name) for one in documents for name in ("_id", "organization", "organizationId", "eventId"))]
    return [str(one) for one in (*told, *(one["id"] for one in objects)) if one is not None]


LEDGER_TABLES = (
    *("ledger_entries", "expiring_ledgers", "ledger_suspects"),
    *("dispute_entries", "pack_purchases", "refund_entries"),
)
_IN_ORDER = LEDGER_TABLES[:3]


def _of_ledgers(check: str, tables: tuple[str, ...] = LEDGER_TABLES) -> tuple[str, ...]:
    return tuple(f"{table}.{check}" for table in tables)


_SUSPECT = "a correction stands in ledger_suspects as well, behind the ledger's grant, which is younger"
_SUSPECT_OF_1970 = ("ledger_suspects.dates_are_plausible", "ledger_suspects.entries_are_in_order_of_time")


TABLE_FAULTS: dict[str, TableFault] = {
    # let through
    "period_of_1970": TableFault(
        dated_1970("subscriptions", "currentPeriodStart"), ("subscriptions.dates_are_plausible",)
    ),
    "subscription_of_nobody": TableFault(
        of_nobody("subscriptions", "organization"), ("subscriptions.organization_id_is_in_organizations",)
    ),
    "usage_of_1970": TableFault(dated_1970("billingusages", "updatedAt"), ("weekly_usage.dates_are_plausible",)),
    "usage_of_nobody": TableFault(
        of_nobody("billingusages", "organizationId"), ("weekly_usage.organization_id_is_in_organizations",)
    ),
    "organization_deleted": TableFault(
        deleted_organization,
        ("subscriptions.organization_id_is_in_organizations", "weekly_usage.organization_id_is_in_organizations"),
        why="its subscription and its usage stay behind, and both lead nowhere",
    ),
    "half_a_unit_of_quota": TableFault(half_a_unit_of_quota, ("weekly_usage.meter_quota_is_whole",)),
    "balance_of_1970": TableFault(
        dated_1970("billingextrabalances", "cachedBalanceAt"), ("extras_balances.dates_are_plausible",)
    ),
    "kind_of_now": TableFault(kind_of_now, ("ledger_entries.kind_is_known",)),
    "clock_behind_now": TableFault(clock_behind_now, ("ledger_entries.entries_are_in_order_of_time",)),
    "expiry_of_1970": TableFault(
        expiry_of_1970,
        ("ledger_entries.dates_are_plausible", "expiring_ledgers.dates_are_plausible"),
        why="a pack past its expiry puts its ledger into expiring_ledgers",
    ),
    "kind_of_old": TableFault(kind_of_old, ("expiring_ledgers.kind_is_known",)),
    "clock_behind_then": TableFault(clock_behind_then, ("expiring_ledgers.entries_are_in_order_of_time",)),
    "first_entry_of_1970": TableFault(
        first_entry_of_1970,
        ("expiring_ledgers.dates_are_plausible", "ledger_suspects.dates_are_plausible"),
        why="the first entry is a grant, and every grant stands in ledger_suspects",
    ),
    "clock_behind_of_corrections": TableFault(
        clock_behind_of_corrections, ("ledger_suspects.entries_are_in_order_of_time",)
    ),
    "correction_of_1970": TableFault(
        pushed_1970("adjustment", 100, "adjustment-1"),
        ("dispute_entries.dates_are_plausible", *_SUSPECT_OF_1970),
        why=_SUSPECT,
    ),
    "clawback_of_1970": TableFault(
        pushed_1970("refund", -100, "refund-dispute_du_1-1"),
        ("dispute_entries.dates_are_plausible", *_SUSPECT_OF_1970),
        why=_SUSPECT,
    ),
    "refund_of_1970": TableFault(
        pushed_1970("refund", -100, "refund-re_1-1"),
        ("refund_entries.dates_are_plausible", *_SUSPECT_OF_1970),
        why=_SUSPECT,
    ),
    "half_a_unit_of_a_refund": TableFault(half_a_unit_of_a_refund, ("refund_entries.amount_is_whole",)),
    "pack_of_1970": TableFault(pack_of_1970, ("pack_purchases.dates_are_plausible",)),
    "half_a_unit_of_a_pack": TableFault(half_a_unit_of_a_pack, ("pack_purchases.amount_is_whole",)),
    "half_an_attempt": TableFault(dead_letter(attempts=2.5), ("dead_lettered_events.attempts_is_whole",)),
    "event_of_1970": TableFault(
        dead_letter(processedAt=to_datetime(20 * DAY)), ("dead_lettered_events.dates_are_plausible",)
    ),
    "status_that_is_new_at_stripe": TableFault(
        at_stripe("subscriptions", status="frozen"), ("stripe_subscriptions.status_is_known",)
    ),
    "subscription_of_1970_at_stripe": TableFault(
        at_stripe("subscriptions", created=86400), ("stripe_subscriptions.dates_are_plausible",)
    ),
    "invoice_of_1970": TableFault(paid_in_1970, ("stripe_invoices.dates_are_plausible",)),
    "dispute_status_that_is_new": TableFault(
        at_stripe("disputes", status="appealed"), ("stripe_disputes.status_is_known",)
    ),
    "dispute_below_nothing": TableFault(
        at_stripe("disputes", amount=-200), ("stripe_disputes.amount_minor_is_not_negative",)
    ),
    "charge_of_nobody": TableFault(
        pack_of_nobody(disputed=False), ("stripe_charges.organization_id_is_in_organizations",)
    ),
    "disputed_charge_of_nobody": TableFault(
        pack_of_nobody(disputed=True),
        (
            "stripe_charges.organization_id_is_in_organizations",
            "stripe_disputes.organization_id_is_in_organizations",
        ),
        why="a dispute has the organization of its charge",
    ),
    "captured_below_nothing": TableFault(
        charge(amount_captured=-200), ("stripe_charges.captured_minor_is_not_negative",)
    ),
    "charge_below_nothing": TableFault(charge(amount=-200), ("stripe_charges.amount_minor_is_not_negative",)),
    "refunded_below_nothing": TableFault(
        charge(amount_refunded=-200), ("stripe_charges.refunded_minor_is_not_negative",)
    ),
    "refund_status_that_is_new": TableFault(at_stripe("refunds", status="paused"), ("stripe_refunds.status_is_known",)),
    "refund_below_nothing": TableFault(
        at_stripe("refunds", amount=-200), ("stripe_refunds.amount_minor_is_not_negative",)
    ),
    # put aside
    "organization_id_as_text": TableFault(
        changed("organizations", _id=str), guarded=("organizations.organization_id_is_well_formed",)
    ),
    "organization_plan_unknown": TableFault(
        changed("organizations", plan="gold"), guarded=("organizations.plan_is_known",)
    ),
    "second_subscription": TableFault(
        second_document("subscriptions"), guarded=("subscriptions.organization_id_is_unique",)
    ),
    "subscription_without_organization": TableFault(changed("subscriptions", organization=None)),
    "subscription_organization_as_text": TableFault(
        changed("subscriptions", organization=str), guarded=("subscriptions.organization_id_is_well_formed",)
    ),
    "subscription_plan_unknown": TableFault("malformed_plan_unknown", guarded=("subscriptions.plan_is_known",)),
    "subscription_status_unknown": TableFault("malformed_status_unknown", guarded=("subscriptions.status_is_known",)),
    "second_document_of_a_week": TableFault(
        "malformed_duplicate_document", guarded=("weekly_usage.organization_id_and_week_key_are_unique",)
    ),
    "used_missing": TableFault("malformed_used_missing"),
    "usage_organization_as_text": TableFault(
        "malformed_organization_as_text", guarded=("weekly_usage.organization_id_is_well_formed",)
    ),
    "week_impossible": TableFault("malformed_week_impossible", guarded=("weekly_usage.week_key_is_well_formed",)),
    "used_negative": TableFault("malformed_used_negative", guarded=("weekly_usage.meter_used_is_not_negative",)),
    "quota_negative": TableFault("malformed_quota_negative", guarded=("weekly_usage.meter_quota_is_not_negative",)),
    "second_balance": TableFault(
        second_document("billingextrabalances"), guarded=("extras_balances.organization_id_is_unique",)
    ),
    "ledger_null": TableFault("malformed_ledger_null"),
    "balance_organization_as_text": TableFault(
        "malformed_balance_organization_as_text",
        guarded=_of_ledgers("organization_id_is_well_formed", ("extras_balances", *LEDGER_TABLES)),
    ),
    "entry_without_kind": TableFault("malformed_entry_kind_null"),
    "entry_id_as_text": TableFault(entry_id_as_text, guarded=_of_ledgers("entry_id_is_well_formed")),
    "event_without_id": TableFault(dead_letter(eventId=None)),
    "event_twice": TableFault(dead_letter_twice, guarded=("dead_lettered_events.event_id_is_unique",)),
    "subscription_without_status_at_stripe": TableFault(at_stripe("subscriptions", status=None)),
    "dispute_without_status": TableFault(at_stripe("disputes", status=None)),
    "charge_amount_as_text": TableFault(charge(amount="200")),
    "refund_without_amount": TableFault(at_stripe("refunds", amount=None)),
    "invoice_without_transitions": TableFault(at_stripe("invoices", status_transitions=None)),
    "event_without_mode": TableFault(at_stripe("events", livemode=None)),
}
_ID = "MongoDB gives every document an _id, and no two the same one"
_BALANCE = "the entries of a table are taken from the balance document, which is read with them"
_COUNTED = "the reading counts it"
_ASKED = "Stripe is asked for what was made since an instant, and gives nothing older"


#: What the reading itself makes, so that nobody can write it broken; the expectation guards the reading.
MADE_BY_THE_READING: dict[str, str] = {
    "organizations.organization_id_is_unique": _ID,
    "extras_balances.entry_count_is_not_negative": _COUNTED,
    "extras_balances.document_bytes_is_at_least_1": _COUNTED,
    **dict.fromkeys(_of_ledgers("position_is_not_negative", _IN_ORDER), _COUNTED),
    **dict.fromkeys(_of_ledgers("organization_id_and_position_are_unique", _IN_ORDER), _COUNTED),
    **dict.fromkeys(_of_ledgers("organization_id_is_in_extras_balances"), _BALANCE),
    **dict.fromkeys(
        (
            "stripe_subscription_events.dates_are_plausible",
            "stripe_disputes.dates_are_plausible",
            "stripe_charges.dates_are_plausible",
            "stripe_refunds.dates_are_plausible",
        ),
        _ASKED,
    ),
    "stripe_disputes.organization_id_is_that_in_stripe_charges": "both are read from the same charge",
}
