"""`examples/tickets.py`: what it asks of GitHub, Jira and Linear for a ticket that is opened, updated and closed."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from billing_dq.alerts.tickets import signature
from examples.tickets import TRACKERS, verified
from tests.alerts.test_tickets import SECRET

DATA = {
    "id": "1daf7278354fd34a",
    "title": "pack without topup: ch_1",
    "sentence": "The customer paid and got nothing.",
    "severity": "error",
    "usd_cents": -500,
    "topic": "night of 2026-11-21",
    "link": None,
}


@dataclass
class Tracker:
    """A tracker that knows its issues by their creation, and remembers what it was asked."""

    is_there: bool = False
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def __call__(self, method: str, address: str, **more: Any) -> "Answer":
        content = json.dumps({name: more[name] for name in ("json", "params") if name in more})
        self.asked.append((method, address, content))
        nodes = [{"id": "i1"}] if self.is_there else []
        if "graphql" in address:
            return Answer({"data": {"issues": {"nodes": nodes}}})
        if "search" in address:
            return Answer({"issues": [{"key": "OPS-1"}] if self.is_there else []})
        return Answer([{"number": 7}] if self.is_there else []) if method == "GET" else Answer({})


@dataclass
class Answer:
    told: Any
    content: bytes = b"{}"

    def raise_for_status(self) -> None:
        pass

    def json(self) -> Any:
        return self.told


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ["GITHUB_TOKEN", "JIRA_USER", "JIRA_TOKEN", "LINEAR_API_KEY", "LINEAR_TEAM"]:
        monkeypatch.setenv(name, "secret")
    for name, value in {"JIRA_DONE": "31", "JIRA_OPEN": "11", "LINEAR_DONE": "s1", "LINEAR_OPEN": "s2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GITHUB_REPOSITORY", "acme/billing")
    monkeypatch.setenv("JIRA_URL", "https://acme.example")
    monkeypatch.setenv("JIRA_PROJECT", "OPS")


@pytest.mark.parametrize("name", TRACKERS)
def test_a_ticket_is_made_once_and_bears_its_id(name: str) -> None:
    tracker = Tracker()
    TRACKERS[name]("ticket.opened", DATA, tracker)
    assert len(tracker.asked) == 2
    assert DATA["id"] in tracker.asked[1][2]
    assert DATA["title"] in tracker.asked[1][2]


@pytest.mark.parametrize("name", TRACKERS)
def test_a_document_that_comes_twice_makes_no_second_ticket(name: str) -> None:
    tracker = Tracker(is_there=True)
    TRACKERS[name]("ticket.opened", DATA, tracker)
    assert not [one for one in tracker.asked if one[1].endswith(("/issues", "/issue")) and one[0] == "POST"]
    assert "issueCreate" not in str(tracker.asked)


@pytest.mark.parametrize(("name", "closing"), [("github", "closed"), ("jira", '"31"'), ("linear", '"s1"')])
def test_a_ticket_is_closed_where_it_is_there_and_not_made_to_be_closed(name: str, closing: str) -> None:
    there, absent = Tracker(is_there=True), Tracker()
    TRACKERS[name]("ticket.closed", DATA, there)
    TRACKERS[name]("ticket.closed", DATA, absent)
    assert closing in there.asked[-1][2]
    assert len(absent.asked) == 1


def test_a_receiver_takes_what_is_signed_and_nothing_else() -> None:
    body = '{"type": "test"}'
    headers = signature(body, SecretStr(SECRET), int(time.time()))
    assert verified(headers, body.encode(), SECRET, time.time()) == {"type": "test"}
    with pytest.raises(PermissionError, match="wrong"):
        verified(headers, b'{"type": "forged"}', SECRET, time.time())
    with pytest.raises(PermissionError, match="too old"):
        verified(headers, body.encode(), SECRET, time.time() + 600)
