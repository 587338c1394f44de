"""The edge to Apprise: a message to the address of a route, and one sentence about what went wrong.

The address is a secret, and Apprise writes addresses, hosts and payloads into its log. Nothing of that log goes on: of
what it says, only the status of an HTTP answer is read.
"""

import functools
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from billing_dq.alerts.message import Message
from billing_dq.alerts.tickets import post, why_no_webhook
from billing_dq.settings import PREFIX, Route
from billing_dq.vocabulary.alerts import FILE_ROUTE
from billing_dq.vocabulary.severities import Severity

if TYPE_CHECKING:
    from apprise import NotifyBase

#: What Apprise calls a severity.
_TYPES: Mapping[Severity, str] = {"info": "info", "warning": "warning", "error": "failure", "critical": "failure"}
_STATUS = re.compile(r"error=(\d{3})")


def send(name: str, route: Route, message: Message, timeout_seconds: float) -> str | None:
    """Send a message to a route's target: None where it was taken, else the reason, without address or secret.

    Args:
        name: the route's name.
        route: its settings.
        message: plain text.
        timeout_seconds: how long the target may take.
    """
    if name == FILE_ROUTE and route.url is None:
        return None  # the outbox itself is the target
    if route.signing_secret is not None:
        _silence()
        return post(name, route, message, timeout_seconds)
    import apprise

    target, why = _target(name, route)
    if target is None:
        return why
    sender = apprise.Apprise(asset=target.asset)
    sender.add(target)
    with _silence().statuses() as statuses:
        try:
            is_delivered = sender.notify(
                body=message.text,
                title=message.title,
                notify_type=_TYPES[message.severity],
                body_format=apprise.NotifyFormat.TEXT,
                timeout=timeout_seconds,
            )
        except Exception as error:  # a plugin of Apprise may raise whatever it likes, with the address in its text
            return f"{target.service_name}: failed inside Apprise ({type(error).__name__})"
    if is_delivered:
        return None
    outcome = f"answered with HTTP {statuses[-1]}" if statuses else "was not reached, or did not take the message"
    return f"{target.service_name}: the target {outcome}"


def why_unusable(name: str, route: Route) -> str | None:
    """Why a route can reach nobody; None where its address is one that Apprise knows. Nothing is sent."""
    if name == FILE_ROUTE and route.url is None:
        return None
    if route.signing_secret is not None:
        return why_no_webhook(name, route)
    return _target(name, route)[1]


def _target(name: str, route: Route) -> "tuple[NotifyBase | None, str | None]":
    variable = f"{PREFIX}ALERTS__ROUTES__{name.upper()}__URL"
    if route.url is None:
        return None, f"no address: set {variable}"
    import apprise

    _silence()
    asset = apprise.AppriseAsset(app_id="billing_dq", app_desc="billing_dq", storage_mode="memory")
    target = apprise.Apprise.instantiate(route.url.get_secret_value(), asset=asset)
    if target is None:
        return None, f"{variable} holds no address that Apprise knows (https://appriseit.com/services/)"
    if target.overflow_mode == apprise.OverflowMode.UPSTREAM:  # a service refuses what is too long for it
        target.overflow_mode = apprise.OverflowMode.TRUNCATE
    return target, None


class _Silence(logging.Filter):
    """Lets no line through, and keeps the HTTP statuses in them for those who listen."""

    def __init__(self) -> None:
        super().__init__()
        self._listening: dict[int, list[str]] = {}

    @contextmanager
    def statuses(self) -> Iterator[list[str]]:
        """The HTTP statuses that are logged during the block."""
        statuses: list[str] = []
        self._listening[id(statuses)] = statuses
        try:
            yield statuses
        finally:
            del self._listening[id(statuses)]

    def filter(self, record: logging.LogRecord) -> bool:
        """Read the status of a line, and drop the line."""
        if record.levelno >= logging.WARNING:
            mentioned = _STATUS.findall(record.getMessage())
            for statuses in list(self._listening.values()):
                statuses += mentioned
        return False


@functools.cache
def _silence() -> _Silence:
    """Let no address out: Apprise logs them, and so do the connections below it where they are asked for details."""
    silence = _Silence()
    logging.getLogger("apprise").addFilter(silence)
    for name in ("urllib3.connectionpool", "requests_oauthlib", "oauthlib"):
        logging.getLogger(name).addFilter(lambda record: record.levelno > logging.DEBUG)
    return silence
