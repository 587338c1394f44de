"""The state of a local Stripe: objects by resource, listed, filtered, expanded and changed as Stripe does it.

Pure of HTTP, so that the shape of an answer is decided in one place and the server only carries it.
"""

import copy
import itertools
import operator
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

JsonObject = dict[str, object]

API_VERSION: Final = "2026-10-28.endive"
RESOURCES: Final = (
    "subscriptions",
    "prices",
    "customers",
    "invoices",
    "charges",
    "payment_intents",
    "disputes",
    "balance_transactions",
    "refunds",
    "events",
)
#: Read by id alone.
SESSIONS: Final = "checkout/sessions"
#: Where an expandable field leads.
_EXPANDABLE: Final = {
    "charge": "charges",
    "latest_charge": "charges",
    "payment_intent": "payment_intents",
    "latest_invoice": "invoices",
    "customer": "customers",
    "balance_transaction": "balance_transactions",
}
#: Fields that a list filters by equality; `created` is a range on every list, `status` has its own rules.
_FILTERS: Final[Mapping[str, frozenset[str]]] = {
    "subscriptions": frozenset({"customer"}),
    "subscription_items": frozenset({"subscription"}),
    "prices": frozenset({"product", "currency", "type"}),
    "customers": frozenset({"email"}),
    "invoices": frozenset({"customer", "subscription"}),
    "charges": frozenset({"customer", "payment_intent"}),
    "payment_intents": frozenset({"customer"}),
    "disputes": frozenset({"charge", "payment_intent"}),
    "balance_transactions": frozenset({"source", "currency", "type"}),
    "refunds": frozenset({"charge", "payment_intent"}),
    "events": frozenset({"type"}),
    SESSIONS: frozenset({"customer", "payment_intent"}),
}
_STATUS_LISTS: Final = frozenset({"subscriptions", "invoices"})
_CREATED: Final[Mapping[str, Callable[[int, int], bool]]] = {
    "created": operator.eq,
    "created[gt]": operator.gt,
    "created[gte]": operator.ge,
    "created[lt]": operator.lt,
    "created[lte]": operator.le,
}
_PAGING: Final = frozenset({"limit", "starting_after", "ending_before"})


class StripeRefusal(Exception):
    """An error as Stripe words it: HTTP status and the `error` object."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.error: JsonObject = {
            "type": "invalid_request_error",
            "message": message,
            **({"code": code} if code else {}),
            **({"param": param} if param else {}),
        }


class _Order:
    """The objects of a resource, newest first, and where each one is."""

    def __init__(self, rows: Sequence[JsonObject]) -> None:
        self._rows = list(rows)
        # Equal seconds: the later one of the file first, and the same at every start.
        order = sorted(range(len(rows)), key=lambda index: (_seconds(rows[index]), index), reverse=True)
        self.newest_first = [rows[index] for index in order]
        self.positions = {row.get("id"): position for position, row in enumerate(self.newest_first)}

    def is_of(self, rows: Sequence[JsonObject]) -> bool:
        """Whether these are the very objects that were sorted."""
        return len(rows) == len(self._rows) and all(map(operator.is_, rows, self._rows))


class StripeState:
    """The objects, by resource; every method is safe to call while the server answers.

    Args:
        objects: lists by the names of `RESOURCES` and `SESSIONS` (missing ones are empty). They are copied: a server
            that is started again on the same objects answers the same.
    """

    def __init__(self, objects: Mapping[str, list[JsonObject]]) -> None:
        unknown = set(objects) - {*RESOURCES, SESSIONS}
        if unknown:
            raise ValueError(f"no resources of Stripe: {', '.join(sorted(unknown))}")
        self.objects: dict[str, list[JsonObject]] = {
            resource: copy.deepcopy(objects.get(resource, [])) for resource in (*RESOURCES, SESSIONS)
        }
        self.lock = threading.RLock()
        self._orders: dict[str, _Order] = {}

    def find(self, resource: str, object_id: str) -> JsonObject | None:
        """The object of an id, the stored one and not a copy."""
        with self.lock:
            order = self._order(resource)
            position = order.positions.get(object_id)
            return None if position is None else order.newest_first[position]

    def retrieve(self, resource: str, object_id: str, expand: list[str]) -> JsonObject:
        """A copy of one object.

        Raises:
            StripeRefusal: `resource_missing`, or a field that cannot be expanded.
        """
        with self.lock:
            found = self.find(resource, object_id)
            if found is None:
                kind = resource.removesuffix("s")
                raise StripeRefusal(404, f"No such {kind}: '{object_id}'", "resource_missing", "id")
            return self._expanded([found], expand)[0]

    def page(
        self, resource: str, parameters: Mapping[str, str], expand: list[str], types: Sequence[str] = ()
    ) -> JsonObject:
        """A page of a list, newest first, with ``limit``, ``starting_after``, ``ending_before`` and the filters.

        ``types`` are the types of events to show; none shows all.

        Raises:
            StripeRefusal: a parameter that Stripe does not know or a cursor that is no object.
        """
        _check(resource, parameters)
        if types and resource != "events":
            raise StripeRefusal(400, "Received unknown parameter: types", "parameter_unknown", "types")
        limit = _limit(parameters.get("limit", "10"))
        under_data = [path.removeprefix("data.") for path in expand if path.startswith("data.")]
        if len(under_data) < len(expand):
            raise StripeRefusal(400, "You cannot expand a list but under `data`.", param="expand")
        with self.lock:
            rows = self._order(resource).newest_first
            if "ending_before" in parameters:
                end = self._position(resource, parameters["ending_before"], "ending_before")
                candidates: Iterable[JsonObject] = reversed(rows[:end])
            elif "starting_after" in parameters:
                start = self._position(resource, parameters["starting_after"], "starting_after") + 1
                candidates = itertools.islice(rows, start, None)
            else:
                candidates = rows
            passing = (
                row
                for row in candidates
                if (not types or row.get("type") in types) and _passes(resource, row, parameters)
            )
            found = list(itertools.islice(passing, limit + 1))
            more = len(found) > limit
            shown = found[:limit]
            data = self._expanded(shown[::-1] if "ending_before" in parameters else shown, under_data)
        return {"object": "list", "url": f"/v1/{resource}", "has_more": more, "data": data}

    def insert_subscription(self) -> str:
        """A new subscription at the head of the list, made after the newest one; its id."""
        with self.lock:
            newest = self._order("subscriptions").newest_first[0]
            created = _seconds(newest) + 1
            inserted = copy.deepcopy(newest)
            inserted |= {"id": f"sub_1InsertedWhilePaging{len(self.objects['subscriptions'])}", "created": created}
            inserted["latest_invoice"] = None
            self.objects["subscriptions"].append(inserted)
            return str(inserted["id"])

    def reinstate(self, dispute_id: str, at: datetime) -> None:
        """Decide a dispute for the merchant: status `won`, the withdrawn money comes back, with its events.

        Reinstating twice changes nothing. Fractions are not played: what is withdrawn in sum comes back in sum.

        Raises:
            KeyError: no such dispute.
        """
        with self.lock:
            dispute = self.find("disputes", dispute_id)
            if dispute is None:
                raise KeyError(dispute_id)
            movements = dispute["balance_transactions"]
            assert isinstance(movements, list)
            dispute["status"] = "won"
            owed = -sum(movement["amount"] for movement in movements)
            if owed <= 0:
                return
            seconds = int(at.timestamp())
            movement = {
                **copy.deepcopy(movements[0]),
                "id": f"txn_1Reinstated{dispute_id.removeprefix('du_').removeprefix('dp_')}{len(movements)}",
                "amount": owed,
                "available_on": seconds + 172_800,
                "created": seconds,
                "description": f"Chargeback reversal for {dispute['charge']}",
                "fee": 0,
                "fee_details": [],
                "net": owed,
                "reporting_category": "dispute_reversal",
                "status": "available",
                "type": "adjustment",
            }
            movements.append(movement)
            self.objects["balance_transactions"].append(copy.deepcopy(movement))
            for kind in ("charge.dispute.funds_reinstated", "charge.dispute.closed"):
                self._event(kind, dispute, seconds)

    def _event(self, kind: str, changed: JsonObject, seconds: int) -> None:
        self.objects["events"].append(
            {
                "id": f"evt_1Local{len(self.objects['events']):08d}",
                "object": "event",
                "api_version": API_VERSION,
                "created": seconds,
                "data": {"object": copy.deepcopy(changed)},
                "livemode": changed.get("livemode", False),
                "pending_webhooks": 0,
                "request": {"id": None, "idempotency_key": None},
                "type": kind,
            }
        )

    def _order(self, resource: str) -> "_Order":
        """The resource's objects, newest first; sorted again only where an object came, went or was replaced."""
        rows = list(self._items()) if resource == "subscription_items" else self.objects[resource]
        known = self._orders.get(resource)
        if known is None or not known.is_of(rows):
            known = self._orders[resource] = _Order(rows)
        return known

    def _items(self) -> Iterator[JsonObject]:
        for subscription in self.objects["subscriptions"]:
            items = subscription.get("items")
            if isinstance(items, dict):
                yield from items["data"]

    def _position(self, resource: str, object_id: str, param: str) -> int:
        position = self._order(resource).positions.get(object_id)
        if position is None:
            message = f"No such {resource.removesuffix('s')}: '{object_id}'"
            raise StripeRefusal(400, message, "resource_missing", param)
        return position

    def _expanded(self, rows: list[JsonObject], expand: list[str]) -> list[JsonObject]:
        copies = [_rendered(row) for row in rows]
        for path in expand:
            head, _, rest = path.partition(".")
            if head not in _EXPANDABLE:
                raise StripeRefusal(400, f"This property cannot be expanded ({head}).", param="expand")
            targets = self._order(_EXPANDABLE[head])
            for row in copies:
                reference = row.get(head)
                if isinstance(reference, str):
                    position = targets.positions.get(reference)
                    if position is not None:
                        target = targets.newest_first[position]
                        row[head] = self._expanded([target], [rest] if rest else [])[0]
                elif isinstance(reference, dict) and rest:
                    row[head] = self._expanded([reference], [rest])[0]
        return copies


def _rendered(row: JsonObject) -> JsonObject:
    """A copy as Stripe shows it: of a subscription's items at most ten come along."""
    row = copy.deepcopy(row)
    items = row.get("items")
    if isinstance(items, dict) and len(items.get("data", [])) > 10:
        items["data"] = sorted(items["data"], key=_seconds, reverse=True)[:10]
        items["has_more"] = True
    return row


def led_to(expand: list[str]) -> list[str]:
    """The resources that paths to expand lead to."""
    return [_EXPANDABLE[part] for path in expand for part in path.split(".") if part in _EXPANDABLE]


def _check(resource: str, parameters: Mapping[str, str]) -> None:
    """Refuse a parameter that a list does not have, as Stripe does."""
    allowed = _PAGING | _FILTERS[resource] | set(_CREATED) | ({"status"} if resource in _STATUS_LISTS else set())
    for name, value in parameters.items():
        if name not in allowed:
            raise StripeRefusal(400, f"Received unknown parameter: {name}", "parameter_unknown", name)
        if name in _CREATED and not value.isdecimal():
            raise StripeRefusal(400, f"Invalid timestamp: {value}", "parameter_invalid_integer", name)


def _passes(resource: str, row: JsonObject, parameters: Mapping[str, str]) -> bool:
    if resource == "subscriptions" and row.get("test_clock") is not None:
        return False
    for name, value in parameters.items():
        if name in _CREATED:
            if not _CREATED[name](_seconds(row), int(value)):
                return False
        elif name in _FILTERS[resource] and _field(resource, row, name) != value:
            return False
    return _passes_status(resource, row, parameters.get("status"))


def _passes_status(resource: str, row: JsonObject, asked: str | None) -> bool:
    if resource == "subscriptions" and asked in (None, "all", "ended"):
        # Stripe's default leaves out what is canceled.
        ended = row.get("status") in ("canceled", "incomplete_expired")
        return {"all": True, "ended": ended, None: row.get("status") != "canceled"}[asked]
    return asked is None or row.get("status") == asked


def _field(resource: str, row: JsonObject, name: str) -> object:
    if resource == "invoices" and name == "subscription":
        return subscription_of(row)
    return row.get(name)


def subscription_of(invoice: JsonObject) -> object:
    """The subscription of an invoice, in the shape since API 2025-03-31 or the one before."""
    parent = invoice.get("parent")
    details = parent.get("subscription_details") if isinstance(parent, dict) else None
    return details.get("subscription") if isinstance(details, dict) else invoice.get("subscription")


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise StripeRefusal(400, f"Invalid integer: {text}", "parameter_invalid_integer", "limit")
    return int(text)


def _seconds(row: JsonObject) -> int:
    created = row.get("created")
    return created if isinstance(created, int) else 0
