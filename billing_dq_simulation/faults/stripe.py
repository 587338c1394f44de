"""How the local Stripe breaks on demand. Counters run down by themselves; everything may be set while it runs."""

import copy
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from billing_dq_simulation.stripe.state import JsonObject, subscription_of


@dataclass(frozen=True)
class Answer:
    """What the server sends.

    ``cut`` ends in the middle of the body, ``garbled`` too but as if that were all, ``hung_up`` sends nothing at all.
    """

    status: int
    body: JsonObject
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False
    garbled: bool = False
    hung_up: bool = False


@dataclass
class Faults:
    """What is broken.

    Attributes:
        too_many: so many of the next requests get 429.
        retry_after: the `Retry-After` of those, if any.
        failing: so many of the next requests get 500.
        hanging: so many of the next requests are never answered.
        cut_off: so many of the next answers end in the middle.
        garbled: so many of the next answers are half a body that claims to be whole.
        half_pages: lists give half of what was asked for and say that there is more.
        same_page: the cursor is ignored, so the first page comes for ever.
        insert_while_paging: a subscription is created after the first page of subscriptions was read.
        older_shape: objects look as they did before API 2025-03-31.
        status_of: status to show for an object id, whatever it really is.
        forbidden: resources that the key may not read.
        version: the API version that answers claim.
    """

    too_many: int = 0
    retry_after: str | None = None
    failing: int = 0
    hanging: int = 0
    cut_off: int = 0
    garbled: int = 0
    half_pages: bool = False
    same_page: bool = False
    insert_while_paging: bool = False
    older_shape: bool = False
    status_of: dict[str, str] = field(default_factory=dict)
    forbidden: frozenset[str] = frozenset()
    version: str | None = None

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def instead(self, resources: list[str], closing: threading.Event) -> Answer | None:
        """The answer that replaces the true one about these resources, None where there is none."""
        forbidden = [resource for resource in resources if resource in self.forbidden]
        if forbidden:
            kind = forbidden[0].removesuffix("s")
            message = (
                "The provided key 'rk_live_*********1234' does not have the required permissions for this endpoint. "
                f"Having the 'rak_{kind}_read' permission would allow this request to continue."
            )
            return Answer(403, _error("invalid_request_error", message))
        if self._use("too_many"):
            headers = {} if self.retry_after is None else {"Retry-After": self.retry_after}
            return Answer(429, _error("invalid_request_error", "Request rate limit exceeded.", "rate_limit"), headers)
        if self._use("failing"):
            return Answer(500, _error("api_error", "An unknown error occurred."))
        if self._use("hanging"):
            closing.wait()
            return Answer(0, {}, hung_up=True)
        return None

    def asked(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """The parameters of a list as the broken server takes them."""
        taken = dict(parameters)
        if self.same_page:
            taken.pop("starting_after", None)
        if self.half_pages:
            taken["limit"] = str(max(1, int(taken.get("limit", "10")) // 2))
        return taken

    def inserts_now(self, resource: str) -> bool:
        """Whether a subscription is to be created now; once."""
        with self._lock:
            now = self.insert_while_paging and resource == "subscriptions"
            self.insert_while_paging = self.insert_while_paging and not now
            return now

    def changed(self, resource: str, answer: Answer) -> Answer:
        """The true answer with what is wrong with it."""
        data = answer.body.get("data")
        shown = data if answer.body.get("object") == "list" and isinstance(data, list) else [answer.body]
        for entry in shown:
            self._change(resource, entry)
        headers = answer.headers if self.version is None else {**answer.headers, "Stripe-Version": self.version}
        return Answer(answer.status, answer.body, headers, cut=self._use("cut_off"), garbled=self._use("garbled"))

    def _change(self, resource: str, entry: JsonObject) -> None:
        status = self.status_of.get(str(entry.get("id")))
        if status is not None:
            entry["status"] = status
        if self.older_shape:
            make_older(resource, entry)

    def _use(self, counter: str) -> bool:
        with self._lock:
            left = getattr(self, counter)
            if left > 0:
                setattr(self, counter, left - 1)
            return left > 0


def make_older(resource: str, entry: JsonObject) -> None:
    """Change an object into the shape it had before API 2025-03-31; the money of a dispute loses its categories."""
    if resource == "subscriptions":
        items = entry.get("items")
        assert isinstance(items, dict)
        for item in items["data"]:
            for name in ("current_period_start", "current_period_end"):
                entry[name] = item.pop(name, None)
        if isinstance(latest := entry.get("latest_invoice"), dict):
            make_older("invoices", latest)
    elif resource == "invoices":
        entry["subscription"] = copy.deepcopy(subscription_of(entry))
        entry.pop("parent", None)
        entry["paid"] = entry.get("status") == "paid"
    elif resource == "charges":
        entry["invoice"] = None
    elif resource == "disputes":
        movements = entry.get("balance_transactions")
        assert isinstance(movements, list)
        for movement in movements:
            movement.pop("reporting_category", None)
            movement.pop("balance_type", None)
        if isinstance(charge := entry.get("charge"), dict):
            make_older("charges", charge)


def _error(kind: str, message: str, code: str | None = None) -> JsonObject:
    return {"error": {"type": kind, "message": message, **({"code": code} if code else {})}}
