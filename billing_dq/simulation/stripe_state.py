"""The state of a local Stripe: objects by resource, listed, filtered, expanded and changed as Stripe does it.

Pure of HTTP, so that the shape of an answer is decided in one place and the server only carries it.
"""

import copy
import threading
from collections.abc import Iterator, Mapping
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
}
_STATUS_LISTS: Final = frozenset({"subscriptions", "invoices"})
_COMPARE: Final = frozenset({"gt", "gte", "lt", "lte"})


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


class StripeState:
    """The objects, by resource; every method is safe to call while the server answers.

    Args:
        objects: lists by the names of `RESOURCES` (missing ones are empty). They are copied: a server that is started
            again on the same objects answers the same.
    """

    def __init__(self, objects: Mapping[str, list[JsonObject]]) -> None:
        unknown = set(objects) - set(RESOURCES)
        if unknown:
            raise ValueError(f"no resources of Stripe: {', '.join(sorted(unknown))}")
        self.objects: dict[str, list[JsonObject]] = {
            resource: copy.deepcopy(objects.get(resource, [])) for resource in RESOURCES
        }
        self.lock = threading.RLock()

    def find(self, resource: str, object_id: str) -> JsonObject | None:
        """The object of an id, the stored one and not a copy."""
        with self.lock:
            return next((entry for entry in self.objects[resource] if entry.get("id") == object_id), None)

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

    def page(self, resource: str, parameters: Mapping[str, str], expand: list[str]) -> JsonObject:
        """A page of a list, newest first, with ``limit``, ``starting_after``, ``ending_before`` and the filters.

        Raises:
            StripeRefusal: a parameter that Stripe does not know or a cursor that is no object.
        """
        with self.lock:
            rows = [row for row in self._newest_first(resource) if _passes(resource, row, parameters)]
            limit = _limit(parameters.get("limit", "10"))
            start, end, more = 0, limit, False
            if after := parameters.get("starting_after"):
                start = self._position(resource, rows, after, "starting_after") + 1
                end = start + limit
            elif before := parameters.get("ending_before"):
                end = self._position(resource, rows, before, "ending_before")
                start = max(0, end - limit)
                more = start > 0
            if "ending_before" not in parameters:
                more = len(rows) > end
            under_data = [path.removeprefix("data.") for path in expand if path.startswith("data.")]
            if len(under_data) < len(expand):
                raise StripeRefusal(400, "You cannot expand a list but under `data`.", param="expand")
            data = self._expanded(rows[start:end], under_data)
        return {"object": "list", "url": f"/v1/{resource}", "has_more": more, "data": data}

    def insert_subscription(self) -> str:
        """A new subscription at the head of the list, made after the newest one; its id."""
        with self.lock:
            newest = next(self._newest_first("subscriptions"))
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

    def _newest_first(self, resource: str) -> Iterator[JsonObject]:
        rows = list(self._items()) if resource == "subscription_items" else self.objects[resource]
        # Equal seconds: the later one of the file first, and the same at every start.
        order = sorted(range(len(rows)), key=lambda index: (_seconds(rows[index]), index), reverse=True)
        return (rows[index] for index in order)

    def _items(self) -> Iterator[JsonObject]:
        for subscription in self.objects["subscriptions"]:
            items = subscription.get("items")
            if isinstance(items, dict):
                yield from items["data"]

    def _position(self, resource: str, rows: list[JsonObject], object_id: str, param: str) -> int:
        for position, row in enumerate(rows):
            if row.get("id") == object_id:
                return position
        raise StripeRefusal(400, f"No such {resource.removesuffix('s')}: '{object_id}'", "resource_missing", param)

    def _expanded(self, rows: list[JsonObject], expand: list[str]) -> list[JsonObject]:
        copies = [_rendered(row) for row in rows]
        for path in expand:
            head, _, rest = path.partition(".")
            if head not in _EXPANDABLE:
                raise StripeRefusal(400, f"This property cannot be expanded ({head}).", param="expand")
            targets = {target.get("id"): target for target in self.objects[_EXPANDABLE[head]]}
            for row in copies:
                reference = row.get(head)
                if isinstance(reference, str):
                    target = targets.get(reference)
                    if target is not None:
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


def _passes(resource: str, row: JsonObject, parameters: Mapping[str, str]) -> bool:
    if resource == "subscriptions" and row.get("test_clock") is not None:
        return False
    for name, value in parameters.items():
        if name in ("limit", "starting_after", "ending_before", "status"):
            continue
        if name.startswith("created"):
            if not _in_range(_seconds(row), name, value):
                return False
        elif name not in _FILTERS[resource]:
            raise StripeRefusal(400, f"Received unknown parameter: {name}", "parameter_unknown", name)
        elif _field(resource, row, name) != value:
            return False
    return _passes_status(resource, row, parameters.get("status"))


def _passes_status(resource: str, row: JsonObject, asked: str | None) -> bool:
    if asked is not None and resource not in _STATUS_LISTS:
        raise StripeRefusal(400, "Received unknown parameter: status", "parameter_unknown", "status")
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


def _in_range(seconds: int, name: str, value: str) -> bool:
    try:
        bound = int(value)
    except ValueError:
        raise StripeRefusal(400, f"Invalid timestamp: {value}", "parameter_invalid_integer", name) from None
    if name == "created":
        return seconds == bound
    compare = name.removeprefix("created[").removesuffix("]")
    if compare not in _COMPARE:
        raise StripeRefusal(400, f"Received unknown parameter: {name}", "parameter_unknown", name)
    return {"gt": seconds > bound, "gte": seconds >= bound, "lt": seconds < bound, "lte": seconds <= bound}[compare]


def _limit(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 100:
        raise StripeRefusal(400, f"Invalid integer: {text}", "parameter_invalid_integer", "limit")
    return int(text)


def _seconds(row: JsonObject) -> int:
    created = row.get("created")
    return created if isinstance(created, int) else 0
