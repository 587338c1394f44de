"""Tickets at GitHub, Jira or Linear from the webhook of billing_dq (docs/nights.md, "Tickets").

Run it where the webhook can reach it, behind TLS: TRACKER=github python examples/tickets.py. It needs `requests` only.
A document can come twice, and a ticket may have been closed by hand: each change first looks for the ticket of its id.
"""

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import requests

Call = Any  # requests.request, or what a test has in its place


def verified(headers: Mapping[str, str], body: bytes, secret: str, now: float) -> dict[str, Any]:
    """The document of a request; refused where the signature is wrong or older than five minutes."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, hashlib.sha256)
    expected = f"v1,{base64.b64encode(digest).decode()}"
    if not hmac.compare_digest(expected, headers["webhook-signature"]):
        raise PermissionError("the signature is wrong")
    if abs(now - int(headers["webhook-timestamp"])) > 300:
        raise PermissionError("the signature is too old")
    return json.loads(body)


def text_of(data: Mapping[str, Any]) -> str:
    """What a ticket says."""
    money = f"${data['usd_cents'] / 100:,.2f}"
    return f"{data['sentence']}\n\n{data['severity']}, {money}, {data['topic']}\n{data['link'] or ''}"


def github(kind: str, data: Mapping[str, Any], call: Call = requests.request) -> None:
    """An issue of GITHUB_REPOSITORY (owner/name), found by the label of its id."""
    issues = f"https://api.github.com/repos/{os.environ['GITHUB_REPOSITORY']}/issues"
    headers = {"Authorization": f"Bearer {os.environ['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"}
    label = f"billing_dq:{data['id']}"[:50]  # GitHub takes no longer ones

    def ask(method: str, address: str, **more: object) -> Any:
        answer = call(method, address, headers=headers, timeout=20, **more)
        answer.raise_for_status()
        return answer.json()

    existing = ask("GET", issues, params={"labels": label, "state": "all"})
    if existing:
        address = f"{issues}/{existing[0]['number']}"
        ask("PATCH", address, json={"state": "closed" if kind == "ticket.closed" else "open"})
        if kind != "ticket.closed":
            ask("POST", f"{address}/comments", json={"body": text_of(data)})
    elif kind != "ticket.closed":
        ask("POST", issues, json={"title": data["title"], "body": text_of(data), "labels": [label]})


def jira(kind: str, data: Mapping[str, Any], call: Call = requests.request) -> None:
    """An issue of JIRA_PROJECT at JIRA_URL, found by its label; JIRA_DONE and JIRA_OPEN are ids of transitions."""
    root, login = f"{os.environ['JIRA_URL']}/rest/api/2", (os.environ["JIRA_USER"], os.environ["JIRA_TOKEN"])
    label = f"billing_dq_{data['id']}".replace(" ", "_")

    def ask(method: str, path: str, **more: object) -> Any:
        answer = call(method, f"{root}/{path}", auth=login, timeout=20, **more)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    query = {"jql": f'project = "{os.environ["JIRA_PROJECT"]}" AND labels = "{label}"', "fields": "status"}
    existing = ask("GET", "search/jql", params=query)["issues"]
    if existing:
        key = existing[0]["key"]
        transition = os.environ["JIRA_DONE" if kind == "ticket.closed" else "JIRA_OPEN"]
        if kind != "ticket.updated":
            ask("POST", f"issue/{key}/transitions", json={"transition": {"id": transition}})
        if kind != "ticket.closed":
            ask("POST", f"issue/{key}/comment", json={"body": text_of(data)})
    elif kind != "ticket.closed":
        fields = {"project": {"key": os.environ["JIRA_PROJECT"]}, "issuetype": {"name": "Task"}, "labels": [label]}
        ask("POST", "issue", json={"fields": {**fields, "summary": data["title"], "description": text_of(data)}})


def linear(kind: str, data: Mapping[str, Any], call: Call = requests.request) -> None:
    """An issue of LINEAR_TEAM, found by its id in the description; LINEAR_DONE and LINEAR_OPEN are ids of states."""

    def ask(query: str, **variables: object) -> Any:
        headers = {"Authorization": os.environ["LINEAR_API_KEY"]}
        content = {"query": query, "variables": variables}
        answer = call("POST", "https://api.linear.app/graphql", headers=headers, json=content, timeout=20)
        answer.raise_for_status()
        return answer.json()["data"]

    mark = f"billing_dq:{data['id']}"
    search = "query($mark: String!) {issues(filter: {description: {contains: $mark}}) {nodes {id}}}"
    existing = ask(search, mark=mark)["issues"]["nodes"]
    if existing:
        change = {"stateId": os.environ["LINEAR_DONE" if kind == "ticket.closed" else "LINEAR_OPEN"]}
        if kind != "ticket.closed":
            change["description"] = f"{text_of(data)}\n{mark}"
        update = "mutation($id: String!, $input: IssueUpdateInput!) {issueUpdate(id: $id, input: $input) {success}}"
        ask(update, id=existing[0]["id"], input=change)
    elif kind != "ticket.closed":
        issue = {"teamId": os.environ["LINEAR_TEAM"], "title": data["title"], "description": f"{text_of(data)}\n{mark}"}
        ask("mutation($input: IssueCreateInput!) {issueCreate(input: $input) {success}}", input=issue)


TRACKERS = {"github": github, "jira": jira, "linear": linear}


class Receiver(BaseHTTPRequestHandler):
    """Takes a document: 204 once the ticket is as it should be; anything else is sent again."""

    def do_POST(self) -> None:
        """One document."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            document = verified(self.headers, body, os.environ["SIGNING_SECRET"], time.time())
            if document["type"] != "test":
                TRACKERS[os.environ["TRACKER"]](document["type"], document["data"])
            self.send_response(204)
        except PermissionError:
            self.send_response(401)
        except requests.RequestException:
            self.send_response(502)
        self.end_headers()


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8322"))), Receiver).serve_forever()
