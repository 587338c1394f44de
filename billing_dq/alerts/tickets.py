"""Tickets of other systems: a route with a signing secret gets one JSON document for each change of an alert.

The documents are signed as Standard Webhooks (https://www.standardwebhooks.com) says. A document waits in the outbox
like any notification, and one that is sent again has the same id. Address and secret are in no reason.
"""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import pandas as pd
import requests
from pydantic import SecretStr

from billing_dq.alerts.message import Message, plain
from billing_dq.report.figures import Plain, rows_of
from billing_dq.settings import PREFIX, Route
from billing_dq.tables import ALERT_CHANGES
from billing_dq.vocabulary.severities import SEVERITIES, Severity

#: The form of a document; a change that breaks a receiver has another number.
SCHEMA: Final = "billing_dq.ticket/1"
#: What becomes of the ticket, by the event of its alert.
_ACTIONS: Final[Mapping[str, str]] = {
    "new": "opened",
    "reopened": "opened",
    "worse": "updated",
    "resolved": "closed",
    "accepted": "closed",
}
_SEVERITIES: Final[Mapping[str, Severity]] = {severity: severity for severity in SEVERITIES}
_AMOUNTS: Final = ("units", "usd_cents")


def tickets(topic: str, changes: pd.DataFrame, at: datetime, link: str = "") -> list[Message]:
    """A document for each change that is sent, and for each alert that a person accepted since it was opened.

    Args:
        topic: what the changes are about, such as "night of 2026-11-21".
        changes: `ALERT_CHANGES` in order.
        at: the instant of the documents.
        link: where the report is; empty where there is none.
    """
    sent = changes[changes["is_sent"] | (changes["event"] == "accepted")]
    return [_document(topic, row, at, link) for row in rows_of(sent, ALERT_CHANGES.column_names)]


def post(name: str, route: Route, message: Message, timeout_seconds: float) -> str | None:
    """Post a document, or as a test any other message: None where the target took it, else the reason."""
    why = why_no_webhook(name, route)
    if why is not None or route.url is None or route.signing_secret is None:
        return why
    text = message.text
    if not message.title.startswith("ticket."):
        text = json.dumps({"schema": SCHEMA, "type": "test", "data": {"title": message.title, "text": message.text}})
    try:
        answer = requests.post(
            route.url.get_secret_value(),
            data=text.encode(),
            headers={"Content-Type": "application/json", **signature(text, route.signing_secret, int(time.time()))},
            timeout=timeout_seconds,
            allow_redirects=False,
        )
    except requests.RequestException as error:  # its text has the address
        return f"webhook: the target was not reached ({type(error).__name__})"
    return None if 200 <= answer.status_code < 300 else f"webhook: the target answered with HTTP {answer.status_code}"


def signature(text: str, secret: SecretStr, at_seconds: int) -> dict[str, str]:
    """The headers that prove where a document comes from: its id, the instant of this attempt, and the signature."""
    message_id = f"msg_{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    signed = hmac.digest(_key(secret), f"{message_id}.{at_seconds}.{text}".encode(), "sha256")
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def why_no_webhook(name: str, route: Route) -> str | None:
    """Why a route with a signing secret can reach nobody; None where it can. Nothing is sent."""
    variable = f"{PREFIX}ALERTS__ROUTES__{name.upper()}__"
    if route.url is None or not route.url.get_secret_value().startswith(("https://", "http://")):
        return f"no address: set {variable}URL to one that begins with https://"
    try:
        is_key = route.signing_secret is not None and len(_key(route.signing_secret)) >= 24
    except binascii.Error:
        is_key = False
    return None if is_key else f"{variable}SIGNING_SECRET must be whsec_ and at least 24 random bytes in base64"


def _key(secret: SecretStr) -> bytes:
    return base64.b64decode(secret.get_secret_value().removeprefix("whsec_"), validate=True)


def _document(topic: str, row: Mapping[str, Plain], at: datetime, link: str) -> Message:
    kind = f"ticket.{_ACTIONS[str(row['event'])]}"
    texts = {name: plain(row[name]) for name in ("alert_id", "kind", "severity", "event", "subject", "sentence")}
    data = {
        "id": texts.pop("alert_id"),
        "title": f"{texts['kind'].replace('_', ' ')}: {texts['subject']}",
        **texts,
        "organization_id": row["organization_id"],
        **{name: row[name] for name in _AMOUNTS},
        "first_seen": row["since"],
        "topic": topic,
        "link": link or None,
    }
    text = json.dumps({"schema": SCHEMA, "type": kind, "timestamp": at.isoformat(), "data": data}, allow_nan=False)
    return Message(f"{kind}: {data['title']}", text, _SEVERITIES[str(row["urgency"])])
