"""Faults that break what is expected of the tables of a night, each labelled with the checks that it turns red.

Three kinds. What a broken application, or Stripe, can write and the reading lets through turns its check red. Of what
the reading puts aside, the document is quarantined and no check of a table is red: the expectation then guards that
the reading does so. And what the reading itself makes nobody can write; such an expectation guards the reading alone.

A check is named ``<table>.<check>``, as in docs/rules.md.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from bson import ObjectId

from billing_dq.simulation.clock import DAY, HOUR, SECOND, WEEK, to_datetime, to_millis, week_start
from billing_dq.simulation.company.story import Story
from billing_dq.simulation.config import WorldConfig
from billing_dq.simulation.faults.cases import WEEKS_BACK, Case
from billing_dq.simulation.faults.malformed import MALFORMED
from billing_dq.simulation.labels import Document, SimulatedOrganization
from billing_dq.simulation.world import simulate_one

Ledger = list[Document]
#: Edits an organization in its place; whether it could.
Plant = Callable[[SimulatedOrganization, WorldConfig], bool]

LEDGER_TABLES = (
    *("ledger_entries", "expiring_ledgers", "ledger_suspects"),
    *("dispute_entries", "pack_purchases", "refund_entries"),
)
_IN_ORDER = LEDGER_TABLES[:3]


@dataclass(frozen=True)
class TableFault:
    """A fault and its label.

    Attributes:
        plant: breaks an organization; a name of `MALFORMED` stands for that fault.
        red: the checks that are red because of it.
        guarded: where the document is put aside, the checks that would be red if it were not.
        why: where several checks are red, why it must be so.
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


# What the documents of an organization are


def _one(organization: SimulatedOrganization, collection: str) -> Document | None:
    return next(iter(organization.documents[collection]), None)


def _usage(organization: SimulatedOrganization, config: WorldConfig) -> Document | None:
    """The usage document of the newest week."""
    weekly = [one for one in organization.documents["billingusages"] if "weekKey" in one]
    newest = week_start(to_millis(config.as_of))
    return next((one for one in reversed(weekly) if to_millis(_time(one, "resetAt")) >= newest), None)


def _ledger(organization: SimulatedOrganization) -> Ledger:
    balance = _one(organization, "billingextrabalances")
    return balance["ledger"] if balance else []  # type: ignore[return-value]


def _time(document: Document, name: str):
    return document[name]  # type: ignore[return-value]


def _at(entry: Document) -> int:
    return to_millis(_time(entry, "at"))


def _expires(ledger: Ledger) -> bool:
    return any("expiresAt" in entry for entry in ledger)


def _has_expired(ledger: Ledger, config: WorldConfig) -> bool:
    return any(entry.get("expiresAt", config.as_of) < config.as_of for entry in ledger)  # type: ignore[operator]


def _is_plain(ledger: Ledger) -> bool:
    """Nothing but grants, packs and debits, none of which expires."""
    return bool(ledger) and not _expires(ledger) and all(entry["kind"] in ("topup", "debit") for entry in ledger)


def _window(config: WorldConfig) -> int:
    """The first instant whose entries a night reads."""
    return week_start(to_millis(config.as_of)) - WEEKS_BACK * WEEK - DAY


def _push(ledger: Ledger, at: int, kind: str, units: float, ref_id: str) -> None:
    name = _new_id(ledger[0]["_id"], len(ledger))
    ledger.append({"kind": kind, "amount": units, "refId": ref_id, "at": to_datetime(at), "_id": name})


def _new_id(of: object, number: int) -> ObjectId:
    """An id like another one, which nothing else has."""
    return ObjectId(f"{str(of)[:20]}{number:04x}")


def _seconds_for_milliseconds(document: Document, name: str) -> None:
    """A Unix time in seconds that was taken for one in milliseconds: a day in January 1970."""
    document[name] = to_datetime(to_millis(_time(document, name)) // 1000)


# Dates


def _dated_1970(collection: str, field: str) -> Plant:
    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        document = _usage(organization, config) if collection == "billingusages" else _one(organization, collection)
        if document is None or document.get(field) is None:
            return False
        _seconds_for_milliseconds(document, field)
        return True

    return plant


def _expiry_of_1970(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """A grant of the night's weeks whose expiry was written so."""
    ledger = _ledger(organization)
    recent = [entry for entry in ledger if entry["kind"] == "topup" and _at(entry) >= _window(config)]
    if not recent or _expires(ledger):
        return False
    recent[0]["expiresAt"] = to_datetime(to_millis(config.as_of) // 1000)
    return True


def _first_entry_of_1970(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """The sign-up grant of a ledger that is replayed."""
    ledger = _ledger(organization)
    if not _has_expired(ledger, config) or ledger[0].get("source") != "signup_grant":
        return False
    _seconds_for_milliseconds(ledger[0], "at")
    return True


def _pack_of_1970(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    ledger = _ledger(organization)
    packs = [entry for entry in ledger if "stripeSessionId" in entry and entry["kind"] == "topup"]
    if not packs or not _is_plain(ledger):
        return False
    _seconds_for_milliseconds(packs[0], "at")
    return True


def _pushed_1970(kind: str, units: float, ref_id: str) -> Plant:
    """An entry of that day, pushed behind the others, of an organization that has no such entry yet."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        ledger = _ledger(organization)
        if not _is_plain(ledger):
            return False
        _push(ledger, to_millis(config.as_of) // 1000, kind, units, ref_id)
        return True

    return plant


# Kinds, order and numbers of entries


def _kind_of_now(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """A release writes a kind that nobody knows."""
    ledger = _ledger(organization)
    if not ledger or _expires(ledger) or _at(ledger[-1]) < _window(config):
        return False
    _push(ledger, _at(ledger[-1]) + SECOND, "bonus", 50, "bonus-1")
    return True


def _kind_of_old(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """The same, long before the weeks of the night, in a ledger that is replayed."""
    ledger = _ledger(organization)
    if not _has_expired(ledger, config) or _at(ledger[0]) + HOUR >= _window(config):
        return False
    _push(ledger, _at(ledger[0]), "bonus", 50, "bonus-1")
    ledger.insert(1, ledger.pop())
    return True


def _behind(organization: SimulatedOrganization, entry: Document, before: Document) -> bool:
    """A server whose clock is an hour behind pushed the entry."""
    entry["at"] = to_datetime(_at(before) - HOUR)
    return True


def _clock_behind_now(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    ledger = _ledger(organization)
    if not _is_plain(ledger) or len(ledger) < 2 or _at(ledger[-2]) - HOUR < _window(config):
        return False
    return ledger[-1]["kind"] == "debit" and _behind(organization, ledger[-1], ledger[-2])


def _clock_behind_then(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """Before the weeks of the night, in a ledger that is replayed."""
    ledger = _ledger(organization)
    old = [entry for entry in ledger if _at(entry) < _window(config)]
    if not _has_expired(ledger, config) or len(old) < 2 or old[1]["kind"] != "debit":
        return False
    return _behind(organization, old[1], old[0])


def _clock_behind_of_corrections(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """Of two corrections, before the weeks of the night."""
    ledger = _ledger(organization)
    if not _is_plain(ledger):
        return False
    for number, at in enumerate((_window(config) - DAY, _window(config) - 2 * DAY)):
        _push(ledger, at, "adjustment", 100, f"adjustment-{number}")
    return True


def _half_a_unit_of_a_pack(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    packs = [entry for entry in _ledger(organization) if "stripeSessionId" in entry and entry["kind"] == "topup"]
    for entry in packs[:1]:
        entry["amount"] = float(entry["amount"]) + 0.5  # type: ignore[arg-type]
    return bool(packs)


def _half_a_unit_of_a_refund(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    ledger = _ledger(organization)
    if not _is_plain(ledger):
        return False
    _push(ledger, _at(ledger[-1]) + SECOND, "refund", -100.25, f"refund-re_1-{ledger[0]['_id']}")
    return True


# Documents that lead nowhere, and numbers beside ledgers


def _of_nobody(collection: str, field: str) -> Plant:
    """A copy of a document under an organization that was never made: what a test of a release left behind."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        document = _usage(organization, config) if collection == "billingusages" else _one(organization, collection)
        if document is None:
            return False
        ids = {"_id": _new_id(document["_id"], 1), field: _new_id(document[field], 1)}
        nowhere: Document = {"stripeCustomerId": None, "stripeSubscriptionId": None, "status": "canceled"}
        copied = {**document, **ids, **(nowhere if collection == "subscriptions" else {})}
        organization.documents[collection].append(copied)
        return True

    return plant


def _deleted_organization(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """Of one that pays nothing at Stripe."""
    documents, paid = organization.documents, organization.stripe["charges"]
    if paid or not documents["subscriptions"] or _usage(organization, config) is None:
        return False
    documents["organizations"].clear()
    return True


def _half_a_unit_of_quota(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    usage = _usage(organization, config)
    if usage is not None:
        usage["meterQuota"] = 500.5
    return usage is not None


def _dead_letter(**fields: object) -> Plant:
    """An event that the application gave up on, with these fields; None takes one away."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        events, whose = organization.documents["processedstripeevents"], organization.documents["organizations"][0]
        event: Document = {
            "_id": _new_id(whose["_id"], len(events)),
            "eventId": f"evt_{whose['_id']}",
            "type": "invoice.paid",
            "processedAt": to_datetime(to_millis(config.as_of) - DAY),
            "attempts": 5,
            "lastError": "no such customer",
            "deadLetter": True,
        }
        event = {key: value for key, value in (event | fields).items() if value is not None}
        events.append(event)
        return True

    return plant


def _dead_letter_twice(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    """The collection lost its unique index."""
    _dead_letter()(organization, config)
    return _dead_letter()(organization, config)


# Documents that are put aside


def _changed(collection: str, **fields: object) -> Plant:
    """A document with other values; `str` stands for the text of the value, None for no such field."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        document = _one(organization, collection)
        for name, value in fields.items() if document is not None else ():
            if value is None:
                del document[name]
            else:
                document[name] = str(document[name]) if value is str else value
        return document is not None

    return plant


def _second_document(collection: str) -> Plant:
    """A second document for one organization: the collection lost its unique index."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        document = _one(organization, collection)
        if document is None:
            return False
        earlier = to_datetime(to_millis(_time(document, "updatedAt")) - HOUR)
        second = {**document, "_id": _new_id(document["_id"], 2), "updatedAt": earlier}
        organization.documents[collection].append(second)
        return True

    return plant


def _entry_id_as_text(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    ledger = _ledger(organization)
    for entry in ledger[:1]:
        entry["_id"] = str(entry["_id"])
    return bool(ledger)


# Stripe


def _at_stripe(resource: str, **fields: object) -> Plant:
    """The newest object of a resource with other values; None takes the field away."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        objects = organization.stripe[resource]
        if not objects:
            return False
        for name, value in fields.items():
            if value is None:
                del objects[-1][name]
            else:
                objects[-1][name] = value
        return True

    return plant


def _paid_in_1970(organization: SimulatedOrganization, config: WorldConfig) -> bool:
    paid = [one for one in organization.stripe["invoices"] if one["status"] == "paid"]
    if len(paid) != 1:
        return False
    paid[0]["status_transitions"]["paid_at"] = 86400  # type: ignore[index]
    return True


def _pack_charges(organization: SimulatedOrganization, config: WorldConfig) -> list[Document]:
    """The charges of packs of the last weeks, which a night reads."""
    since = config.as_of.timestamp() - 20 * DAY // SECOND
    return [
        one
        for one in organization.stripe["charges"]
        if isinstance(one["metadata"], dict) and "packId" in one["metadata"] and float(str(one["created"])) > since
    ]


def _charge(**fields: object) -> Plant:
    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        charges = _pack_charges(organization, config)
        for one in charges[:1]:
            one.update(fields)
        return bool(charges)

    return plant


def _pack_of_nobody(disputed: bool) -> Plant:
    """The application notes an organization on a charge that is no more."""

    def plant(organization: SimulatedOrganization, config: WorldConfig) -> bool:
        charges = [one for one in _pack_charges(organization, config) if bool(one["disputed"]) == disputed]
        for one in charges[:1]:
            one["metadata"]["organizationId"] = "f" * 24  # type: ignore[index]
        return bool(charges)

    return plant


def _of_ledgers(check: str, tables: tuple[str, ...] = LEDGER_TABLES) -> tuple[str, ...]:
    return tuple(f"{table}.{check}" for table in tables)


_SUSPECT = "a correction stands in ledger_suspects as well, where the entries are judged one by one"

TABLE_FAULTS: dict[str, TableFault] = {
    # let through
    "period_of_1970": TableFault(
        _dated_1970("subscriptions", "currentPeriodStart"), ("subscriptions.dates_are_plausible",)
    ),
    "subscription_of_nobody": TableFault(
        _of_nobody("subscriptions", "organization"), ("subscriptions.organization_id_is_in_organizations",)
    ),
    "usage_of_1970": TableFault(_dated_1970("billingusages", "updatedAt"), ("weekly_usage.dates_are_plausible",)),
    "usage_of_nobody": TableFault(
        _of_nobody("billingusages", "organizationId"), ("weekly_usage.organization_id_is_in_organizations",)
    ),
    "organization_deleted": TableFault(
        _deleted_organization,
        ("subscriptions.organization_id_is_in_organizations", "weekly_usage.organization_id_is_in_organizations"),
        why="its subscription and its usage stay behind, and both lead nowhere",
    ),
    "half_a_unit_of_quota": TableFault(_half_a_unit_of_quota, ("weekly_usage.meter_quota_is_whole",)),
    "balance_of_1970": TableFault(
        _dated_1970("billingextrabalances", "cachedBalanceAt"), ("extras_balances.dates_are_plausible",)
    ),
    "kind_of_now": TableFault(_kind_of_now, ("ledger_entries.kind_is_known",)),
    "clock_behind_now": TableFault(_clock_behind_now, ("ledger_entries.entries_are_in_order_of_time",)),
    "expiry_of_1970": TableFault(
        _expiry_of_1970,
        ("ledger_entries.dates_are_plausible", "expiring_ledgers.dates_are_plausible"),
        why="a pack past its expiry puts its ledger into expiring_ledgers",
    ),
    "kind_of_old": TableFault(_kind_of_old, ("expiring_ledgers.kind_is_known",)),
    "clock_behind_then": TableFault(_clock_behind_then, ("expiring_ledgers.entries_are_in_order_of_time",)),
    "first_entry_of_1970": TableFault(_first_entry_of_1970, ("expiring_ledgers.dates_are_plausible",)),
    "clock_behind_of_corrections": TableFault(
        _clock_behind_of_corrections, ("ledger_suspects.entries_are_in_order_of_time",)
    ),
    "correction_of_1970": TableFault(
        _pushed_1970("adjustment", 100, "adjustment-1"), ("ledger_suspects.dates_are_plausible",)
    ),
    "clawback_of_1970": TableFault(
        _pushed_1970("refund", -100, "refund-dispute_du_1-1"),
        ("dispute_entries.dates_are_plausible", "ledger_suspects.dates_are_plausible"),
        why=_SUSPECT,
    ),
    "refund_of_1970": TableFault(
        _pushed_1970("refund", -100, "refund-re_1-1"),
        ("refund_entries.dates_are_plausible", "ledger_suspects.dates_are_plausible"),
        why=_SUSPECT,
    ),
    "half_a_unit_of_a_refund": TableFault(_half_a_unit_of_a_refund, ("refund_entries.amount_is_whole",)),
    "pack_of_1970": TableFault(_pack_of_1970, ("pack_purchases.dates_are_plausible",)),
    "half_a_unit_of_a_pack": TableFault(_half_a_unit_of_a_pack, ("pack_purchases.amount_is_whole",)),
    "half_an_attempt": TableFault(_dead_letter(attempts=2.5), ("dead_lettered_events.attempts_is_whole",)),
    "event_of_1970": TableFault(
        _dead_letter(processedAt=to_datetime(20 * DAY)), ("dead_lettered_events.dates_are_plausible",)
    ),
    "status_that_is_new_at_stripe": TableFault(
        _at_stripe("subscriptions", status="frozen"), ("stripe_subscriptions.status_is_known",)
    ),
    "subscription_of_1970_at_stripe": TableFault(
        _at_stripe("subscriptions", created=86400), ("stripe_subscriptions.dates_are_plausible",)
    ),
    "invoice_of_1970": TableFault(_paid_in_1970, ("stripe_invoices.dates_are_plausible",)),
    "dispute_status_that_is_new": TableFault(
        _at_stripe("disputes", status="appealed"), ("stripe_disputes.status_is_known",)
    ),
    "dispute_below_nothing": TableFault(
        _at_stripe("disputes", amount=-200), ("stripe_disputes.amount_minor_is_not_negative",)
    ),
    "charge_of_nobody": TableFault(
        _pack_of_nobody(disputed=False), ("stripe_charges.organization_id_is_in_organizations",)
    ),
    "disputed_charge_of_nobody": TableFault(
        _pack_of_nobody(disputed=True),
        (
            "stripe_charges.organization_id_is_in_organizations",
            "stripe_disputes.organization_id_is_in_organizations",
        ),
        why="a dispute has the organization of its charge",
    ),
    "charge_below_nothing": TableFault(_charge(amount=-200), ("stripe_charges.amount_minor_is_not_negative",)),
    "refunded_below_nothing": TableFault(
        _charge(amount_refunded=-200), ("stripe_charges.refunded_minor_is_not_negative",)
    ),
    "refund_status_that_is_new": TableFault(
        _at_stripe("refunds", status="paused"), ("stripe_refunds.status_is_known",)
    ),
    "refund_below_nothing": TableFault(
        _at_stripe("refunds", amount=-200), ("stripe_refunds.amount_minor_is_not_negative",)
    ),
    # put aside
    "organization_id_as_text": TableFault(
        _changed("organizations", _id=str), guarded=("organizations.organization_id_is_well_formed",)
    ),
    "organization_plan_unknown": TableFault(
        _changed("organizations", plan="gold"), guarded=("organizations.plan_is_known",)
    ),
    "second_subscription": TableFault(
        _second_document("subscriptions"), guarded=("subscriptions.organization_id_is_unique",)
    ),
    "subscription_without_organization": TableFault(
        _changed("subscriptions", organization=None), guarded=("subscriptions.no_required_value_is_missing",)
    ),
    "subscription_organization_as_text": TableFault(
        _changed("subscriptions", organization=str), guarded=("subscriptions.organization_id_is_well_formed",)
    ),
    "subscription_plan_unknown": TableFault("malformed_plan_unknown", guarded=("subscriptions.plan_is_known",)),
    "subscription_status_unknown": TableFault("malformed_status_unknown", guarded=("subscriptions.status_is_known",)),
    "second_document_of_a_week": TableFault(
        "malformed_duplicate_document", guarded=("weekly_usage.organization_id_and_week_key_are_unique",)
    ),
    "used_missing": TableFault("malformed_used_missing", guarded=("weekly_usage.no_required_value_is_missing",)),
    "usage_organization_as_text": TableFault(
        "malformed_organization_as_text", guarded=("weekly_usage.organization_id_is_well_formed",)
    ),
    "week_impossible": TableFault("malformed_week_impossible", guarded=("weekly_usage.week_key_is_well_formed",)),
    "used_negative": TableFault("malformed_used_negative", guarded=("weekly_usage.meter_used_is_not_negative",)),
    "quota_negative": TableFault("malformed_quota_negative", guarded=("weekly_usage.meter_quota_is_not_negative",)),
    "second_balance": TableFault(
        _second_document("billingextrabalances"), guarded=("extras_balances.organization_id_is_unique",)
    ),
    "ledger_null": TableFault("malformed_ledger_null", guarded=("extras_balances.no_required_value_is_missing",)),
    "balance_organization_as_text": TableFault(
        "malformed_balance_organization_as_text",
        guarded=_of_ledgers("organization_id_is_well_formed", ("extras_balances", *LEDGER_TABLES)),
    ),
    "entry_without_kind": TableFault("malformed_entry_kind_null", guarded=_of_ledgers("no_required_value_is_missing")),
    "entry_id_as_text": TableFault(_entry_id_as_text, guarded=_of_ledgers("entry_id_is_well_formed")),
    "event_without_id": TableFault(
        _dead_letter(eventId=None), guarded=("dead_lettered_events.no_required_value_is_missing",)
    ),
    "event_twice": TableFault(_dead_letter_twice, guarded=("dead_lettered_events.event_id_is_unique",)),
    "subscription_without_status_at_stripe": TableFault(
        _at_stripe("subscriptions", status=None), guarded=("stripe_subscriptions.no_required_value_is_missing",)
    ),
    "dispute_without_status": TableFault(
        _at_stripe("disputes", status=None), guarded=("stripe_disputes.no_required_value_is_missing",)
    ),
    "charge_amount_as_text": TableFault(
        _charge(amount="200"), guarded=("stripe_charges.no_required_value_is_missing",)
    ),
    "refund_without_amount": TableFault(
        _at_stripe("refunds", amount=None), guarded=("stripe_refunds.no_required_value_is_missing",)
    ),
    "invoice_without_transitions": TableFault(
        _at_stripe("invoices", status_transitions=None), guarded=("stripe_invoices.no_required_value_is_missing",)
    ),
    "event_without_mode": TableFault(
        _at_stripe("events", livemode=None), guarded=("stripe_subscription_events.no_required_value_is_missing",)
    ),
}

_ID = "MongoDB gives every document an _id, and no two the same one"
_BALANCE = "the entries of a table are taken from the balance document, which is read with them"
_COUNTED = "the reading counts it"
_ASKED = "Stripe is asked for what was made since an instant, and gives nothing older"
_ONCE = "Stripe gives an object once, and a table of Stripe is refused where a key stands twice"
#: What the reading itself makes, so that nobody can write it broken; the expectation guards the reading.
MADE_BY_THE_READING: dict[str, str] = {
    "organizations.organization_id_is_unique": _ID,
    "organizations.no_required_value_is_missing": _ID,
    "extras_balances.entry_count_is_not_negative": _COUNTED,
    "extras_balances.document_bytes_is_at_least_1": _COUNTED,
    **dict.fromkeys(_of_ledgers("position_is_not_negative", _IN_ORDER), _COUNTED),
    **dict.fromkeys(_of_ledgers("organization_id_and_position_are_unique", _IN_ORDER), _COUNTED),
    **dict.fromkeys(_of_ledgers("organization_id_is_in_extras_balances"), _BALANCE),
    **dict.fromkeys(
        (
            "stripe_subscriptions.stripe_subscription_id_is_unique",
            "stripe_subscription_events.event_id_is_unique",
            "stripe_invoices.stripe_subscription_id_is_unique",
            "stripe_disputes.dispute_id_is_unique",
            "stripe_charges.charge_id_is_unique",
            "stripe_refunds.refund_id_is_unique",
        ),
        _ONCE,
    ),
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
