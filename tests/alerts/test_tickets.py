"""A route with a signing secret: one signed JSON document for each change of an alert, through the outbox."""

import base64
import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from billing_dq.alerts.message import Message
from billing_dq.alerts.notifier import AlertBatch, Notifier
from billing_dq.alerts.targets import send, why_unusable
from billing_dq.alerts.tickets import SCHEMA, signature
from billing_dq.errors import SettingsError
from billing_dq.settings import Route, load_settings
from tests.support import alerting
from tests.support.alerting import Ticking, alert, alerts

TEST = Message("a title", "a text", "info")
SECRET = f"whsec_{base64.b64encode(b'k' * 32).decode()}"


class Receiver:
    """A target that answers with a status and keeps what it is sent."""

    def __init__(self) -> None:
        self.status, self.posted = 200, list[tuple[dict[str, str], str]]()


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    target = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            target.posted.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(target.status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        with contextlib.ExitStack() as stack:
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            yield target, f"http://127.0.0.1:{server.server_port}/tickets"


def notifier(home: Path, address: str) -> Notifier:
    settings = alerting.settings(home, tickets={"url": address, "signing_secret": SECRET})
    return Notifier(settings, clock=Ticking().clock)


def night(*rows: dict[str, object]) -> AlertBatch:
    return AlertBatch("night", "night of 2026-11-21", alerts(*rows), link="http://127.0.0.1:8321/nights/2026-11-21")


def documents(target: Receiver) -> list[dict[str, Any]]:
    return [json.loads(body) for _, body in target.posted]


def test_a_finding_is_opened_updated_and_closed_by_its_id(tmp_path: Path, receiver: tuple[Receiver, str]) -> None:
    target, address = receiver
    ours = notifier(tmp_path, address)
    for batch in (night(alert("a")), night(alert("a", usd_cents=9_000)), night()):
        ours.notify(batch)
        assert ours.deliver() == []
    told = documents(target)
    assert [(one["type"], one["data"]["id"]) for one in told] == [
        ("ticket.opened", "a"),
        ("ticket.updated", "a"),
        ("ticket.closed", "a"),
    ]
    assert {one["schema"] for one in told} == {SCHEMA}


def test_an_accepted_finding_closes_its_ticket(tmp_path: Path, receiver: tuple[Receiver, str]) -> None:
    target, address = receiver
    ours = notifier(tmp_path, address)
    for batch in (night(alert("a")), night(alert("a", silenced="accepted"))):
        ours.notify(batch)
        ours.deliver()
    assert [one["data"]["event"] for one in documents(target)] == ["new", "accepted"]
    assert documents(target)[-1]["type"] == "ticket.closed"


def test_the_fields_of_a_document_are_the_contract_of_receivers(tmp_path: Path, receiver: tuple[Receiver, str]) -> None:
    target, address = receiver
    ours = notifier(tmp_path, address)
    ours.notify(night(alert("a", sentence="lost <b> @all")))
    ours.deliver()
    assert documents(target) == [
        {
            "schema": "billing_dq.ticket/1",
            "type": "ticket.opened",
            "timestamp": "2026-11-21T02:30:00+00:00",
            "data": {
                "id": "a",
                "title": "meter extras divergence: 2026-W45",
                "kind": "meter_extras_divergence",
                "severity": "error",
                "event": "new",
                "subject": "2026-W45",
                "sentence": "lost ‹b› (at)all",
                "organization_id": "6ab32b259efbcc0f7f5a4495",
                "units": 1000.0,
                "usd_cents": 100,
                "first_seen": "2026-11-21",
                "topic": "night of 2026-11-21",
                "link": "http://127.0.0.1:8321/nights/2026-11-21",
            },
        }
    ]


def test_what_was_not_taken_is_sent_again_with_the_same_id_and_a_right_signature(
    tmp_path: Path, receiver: tuple[Receiver, str]
) -> None:
    target, address = receiver
    ours = notifier(tmp_path, address)
    ours.notify(night(alert("a")))
    target.status = 500
    (waiting,) = ours.deliver()
    assert waiting.reason == "webhook: the target answered with HTTP 500"
    target.status = 204
    assert ours.deliver() == []
    assert len({headers["webhook-id"] for headers, _ in target.posted}) == 1
    for headers, body in target.posted:
        expected = signature(body, SecretStr(SECRET), int(headers["webhook-timestamp"]))
        assert headers["webhook-signature"] == expected["webhook-signature"]


def test_a_signature_is_that_of_the_standard() -> None:
    headers = signature("{}", SecretStr(SECRET), 1_614_265_330)
    signed = f"{headers['webhook-id']}.1614265330.{{}}".encode()
    expected = base64.b64encode(hmac.new(b"k" * 32, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_a_route_that_cannot_work_says_why_and_tells_no_secret() -> None:
    def reason(**fields: str) -> str:
        return str(why_unusable("tickets", Route.model_validate({"signing_secret": SECRET, **fields})))

    assert "TICKETS__URL" in reason()
    assert "TICKETS__URL" in reason(url="json://user:hunter2@host")
    assert "TICKETS__SIGNING_SECRET must be" in reason(url="https://host/", signing_secret="hunter2")
    assert reason(url="https://host/") == "None"
    gone = send(
        "tickets", Route.model_validate({"url": "http://127.0.0.1:9/hunter2", "signing_secret": SECRET}), TEST, 1
    )
    assert gone == "webhook: the target was not reached (ConnectionError)"


def test_a_signing_secret_in_the_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "billing_dq.toml"
    config.write_text(f'[alerts.routes.tickets]\nsigning_secret = "{SECRET}"\n')
    with pytest.raises(SettingsError, match="BILLING_DQ_ALERTS__ROUTES__TICKETS__SIGNING_SECRET") as error:
        load_settings({"BILLING_DQ_CONFIG": str(config)})
    assert SECRET not in str(error.value)


def test_a_test_message_is_a_document_too(receiver: tuple[Receiver, str]) -> None:
    target, address = receiver
    assert send("tickets", Route.model_validate({"url": address, "signing_secret": SECRET}), TEST, 5) is None
    assert documents(target)[0]["type"] == "test"
