"""One connection to Stripe: reads objects and pages as plain JSON, at our pace, and tells what goes wrong in one line.

The SDK's typed objects are passed by on purpose: a list that they parse fails as a whole on one malformed decimal,
while `raw_request` hands out the same answer as plain JSON, with the SDK's retries and errors. What an object must look
like is decided once, in `objects`.
"""

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Final, Self
from urllib.parse import quote, urlsplit

import requests
import stripe

from billing_dq.errors import SourceError, TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.stripe.pace import Clock, Pace, seconds_after_refusal

API_VERSION: Final = "2026-10-28.endive"
PAGE_SIZE: Final = 100
#: Retries of the SDK: server errors, time-outs, resets.
NETWORK_RETRIES: Final = 2
#: Times that an answer cut off on its way is asked for again; the SDK does not do that.
UNREADABLE_ANSWERS: Final = 3

JsonObject = dict[str, object]
Parameter = str | int | list[str] | dict[str, int]

#: What a restricted key must be granted to read a resource, as Stripe's dashboard calls it; others are called alike.
_PERMISSIONS: Final = {
    "subscription": "Subscriptions",
    "subscription_item": "Subscriptions",
    "invoice": "Invoices",
    "dispute": "Disputes",
    "charge": "Charges and Refunds",
    "refund": "Charges and Refunds",
    "payment_intent": "PaymentIntents",
    "balance_transaction": "Balance transactions",
    "event": "Events",
    "checkout/session": "Checkout Sessions",
    "checkout_session": "Checkout Sessions",
    "price": "Prices",
    "plan": "Prices",
}
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class ResourceMissing(SourceError):
    """Stripe knows no object of that id (in the key's account and mode)."""


def key_of(settings: Settings) -> str:
    """The API key.

    Raises:
        SourceError: there is none, or it cannot be one.
    """
    key = settings.stripe_api_key.get_secret_value().strip() if settings.stripe_api_key else ""
    if not key:
        raise SourceError("no Stripe key: set BILLING_DQ_STRIPE_API_KEY to a restricted key that may read")
    if not re.fullmatch(r"[!-~]+", key):
        raise SourceError("BILLING_DQ_STRIPE_API_KEY holds characters that no Stripe key has")
    return key


def mode_of_key(settings: Settings) -> bool | None:
    """The mode that the key's prefix tells: live (True), test (False), or None where it does not tell."""
    prefix = re.match(r"(?:sk|rk)_(live|test)_", key_of(settings))
    return prefix[1] == "live" if prefix else None


class StripeConnection:
    """Reads from Stripe; a context manager. `requests` counts by resource what was asked (not the SDK's retries).

    Raises:
        SourceError: without a usable key.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.requests: Counter[str] = Counter()
        self._settings = settings
        self._pace = Pace(clock or time, settings.stripe_budget_seconds)
        session = requests.Session()
        base = settings.stripe_base_url
        # A proxy of the environment, or a password of ~/.netrc, has no part in talking to this machine.
        session.trust_env = base is None or urlsplit(base).hostname not in _LOOPBACK
        self.host = urlsplit(base or stripe.DEFAULT_API_BASE).netloc.rpartition("@")[2]
        self._http = stripe.RequestsClient(timeout=settings.stripe_timeout_seconds, session=session)
        stripe.enable_telemetry = False
        self._client = stripe.StripeClient(
            key_of(settings),
            stripe_version=API_VERSION,
            base_addresses={"api": base.rstrip("/")} if base else {},
            max_network_retries=NETWORK_RETRIES,
            http_client=self._http,
        )

    @property
    def seconds_left(self) -> float:
        """Seconds of the night's budget that are left (`stripe_budget_seconds`)."""
        return self._pace.seconds_left

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def retrieve(self, resource: str, object_id: str, expand: tuple[str, ...] = ()) -> JsonObject:
        """One object by id.

        Raises:
            ResourceMissing: Stripe does not know it.
            SourceError: anything else that goes wrong, `TransientSourceError` where trying again may help.
        """
        parameters: dict[str, Parameter] = {"expand": list(expand)} if expand else {}
        return self._get(resource, f"/v1/{resource}/{quote(object_id, safe='')}", parameters)

    def pages(self, resource: str, parameters: Mapping[str, Parameter]) -> Iterator[list[JsonObject]]:
        """The pages of a list, newest first.

        Each page starts after the last object of the one before, so an object that is created meanwhile moves nothing.

        Args:
            resource: as in Stripe's addresses, such as ``subscriptions``.
            parameters: of the list; ``limit`` is `PAGE_SIZE` by default.

        Raises:
            SourceError: an object comes twice or the list cannot go on, which would never end; and as in `retrieve`.
        """
        earlier_ids: set[str] = set()
        cursor: dict[str, Parameter] = {}
        while True:
            answer = self._get(resource, f"/v1/{resource}", {"limit": PAGE_SIZE, **parameters, **cursor})
            data, more = answer.get("data"), answer.get("has_more")
            if not isinstance(data, list) or not isinstance(more, bool):
                raise SourceError(f"Stripe answered something that is no list for {resource}")
            page = [entry if isinstance(entry, dict) else {} for entry in data]
            ids = [value for entry in page if isinstance(value := entry.get("id"), str) and value.isascii()]
            repeated = earlier_ids.intersection(ids) or (set(ids) if len(set(ids)) < len(ids) else set[str]())
            if repeated:
                raise SourceError(
                    f"Stripe's list of {resource} does not move on: {min(repeated)} came twice; "
                    "nothing of it is used (a proxy that repeats answers?)"
                )
            yield page
            if not more:
                return
            if not ids:
                raise SourceError(f"Stripe's list of {resource} has more pages but a page without a single id")
            earlier_ids.update(ids)
            cursor = {"starting_after": ids[-1]}

    def _get(self, resource: str, path: str, parameters: Mapping[str, Parameter]) -> JsonObject:
        refusals = unreadable = 0
        while True:
            self._pace.take(resource)
            self.requests[resource] += 1
            try:
                answer = self._client.raw_request("get", path, **parameters)
            except stripe.StripeError as error:
                if error.http_status == 429 or isinstance(error, stripe.RateLimitError):
                    refusals += 1
                    self._pace.wait(seconds_after_refusal((error.headers or {}).get("Retry-After"), refusals), resource)
                    continue
                unreadable += 1
                if _is_cut_off(error) and unreadable < UNREADABLE_ANSWERS:
                    continue
                # Neither the message nor the chain of the SDK's error: both may hold headers, and so the key.
                raise self._explained(error, resource, path) from None
            self._check_version(answer.headers)
            if not isinstance(answer.data, dict):
                raise SourceError(f"Stripe answered something that is no object for {resource}")
            return answer.data

    def _check_version(self, headers: Mapping[str, str]) -> None:
        version = headers.get("Stripe-Version")
        if version is not None and version != API_VERSION:
            raise SourceError(
                f"Stripe answered in API version {version}, asked was {API_VERSION}: nothing of it is used "
                "(does stripe_base_url lead through something that changes the version?)"
            )

    def _explained(self, error: stripe.StripeError, resource: str, path: str) -> SourceError:
        """The SDK's error as one line without the key."""
        if _is_cut_off(error):
            return TransientSourceError(
                f"Stripe's answer for {resource} is cut off or no JSON, {UNREADABLE_ANSWERS} times"
            )
        if isinstance(error, stripe.APIConnectionError):
            return TransientSourceError(
                f"Stripe at {self.host} cannot be reached or does not answer within "
                f"{self._settings.stripe_timeout_seconds:g} s (while reading {resource})"
            )
        if error.http_status == 401:
            return SourceError(f"Stripe at {self.host} does not accept the key in BILLING_DQ_STRIPE_API_KEY (401)")
        if error.http_status == 403:
            return SourceError(
                f"the Stripe key may not read {resource}: grant it permission to read {_permission(error, resource)}"
            )
        if error.http_status is not None and error.http_status >= 500:
            return TransientSourceError(f"Stripe fails on its side ({error.http_status}) while reading {resource}")
        if error.code == "resource_missing" and path != f"/v1/{resource}":
            return ResourceMissing(f"Stripe knows no {path.removeprefix('/v1/')} (resource_missing)")
        return SourceError(
            f"Stripe refuses to list {resource} ({error.http_status}, {error.code or type(error).__name__}): "
            f"{self._without_key(error.user_message or 'no reason given')}"
        )

    def _without_key(self, message: str) -> str:
        message = message.replace(key_of(self._settings), "***")
        return " ".join(re.sub(r"\b([srp]k)_(live|test)_[\w*]+", r"\1_\2_***", message).split())[:200]


def _is_cut_off(error: stripe.StripeError) -> bool:
    """An answer whose body is no JSON, or ended before its length: the SDK retries neither."""
    if isinstance(error, stripe.APIConnectionError):
        cause = error.__cause__
        return isinstance(cause, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError)
    return isinstance(error, stripe.APIError) and error.http_status is not None and 200 <= error.http_status < 300


def _permission(error: stripe.StripeError, resource: str) -> str:
    """What to grant: Stripe names it (`rak_invoice_read`), as an expanded field may need more than the resource."""
    named = re.search(r"rak_(\w+?)_read", error.user_message or "")
    needed = named[1] if named else resource
    return _PERMISSIONS.get(needed.removesuffix("s"), needed)
