"""A Stripe of our own over HTTP, on the loopback only: it answers what billing_dq asks, and breaks on demand.

    with serve(load(path)) as local:
        settings = Settings(stripe_base_url=local.url, ...)
        local.reinstate("du_...", at)

As a process: ``python -m billing_dq_simulation.local_stripe --objects FILE [--port N]`` prints its address and serves
until it is interrupted; disputes are then reinstated by ``POST /local/reinstate?dispute=du_...&at=<Unix seconds>``.
"""

import gzip
import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import click

from billing_dq_simulation.faults.stripe import Answer, Faults
from billing_dq_simulation.stripe.state import (
    API_VERSION,
    RESOURCES,
    SESSIONS,
    JsonObject,
    StripeRefusal,
    StripeState,
    led_to,
)

LOOPBACK: Final = "127.0.0.1"
_LISTED: Final = frozenset({*RESOURCES, SESSIONS, "subscription_items"})


def load(path: Path) -> dict[str, list[JsonObject]]:
    """Objects of a JSON file, gzipped or not: lists by resource."""
    data = path.read_bytes()
    return json.loads(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)


class LocalStripe:
    """A running local Stripe.

    Attributes:
        url: its address, for the setting ``stripe_base_url``.
        requests: requests received, by resource.
        faults: what is broken; may be changed at any time.
        state: its objects and what can be done to them; may be changed at any time.
    """

    def __init__(self, objects: Mapping[str, list[JsonObject]], faults: Faults, key: str | None) -> None:
        self.state = StripeState(objects)
        self.faults = faults
        self.requests: Counter[str] = Counter()
        self.key = key
        self.url = ""
        self.closing = threading.Event()

    @property
    def objects(self) -> dict[str, list[JsonObject]]:
        """The objects themselves, by resource: change them and the next answer has it."""
        return self.state.objects

    def reinstate(self, dispute_id: str, at: datetime) -> None:
        """See `StripeState.reinstate`."""
        self.state.reinstate(dispute_id, at)

    def answer(self, path: str, query: str, headers: Mapping[str, str]) -> Answer:
        """The answer to a GET."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        try:
            resource, object_id = _resource(path, parts)
            with self.state.lock:
                self.requests[resource] += 1
            self._check_key(headers.get("Authorization", ""))
            version = headers.get("Stripe-Version", API_VERSION)
            parameters, expand, types = _parameters(query)
            if (broken := self.faults.instead([resource, *led_to(expand)], self.closing)) is not None:
                return broken
            if object_id is not None:
                body = self.state.retrieve(resource, object_id, expand)
            else:
                body = self.state.page(resource, self.faults.asked(parameters), expand, types)
                if self.faults.inserts_now(resource):
                    self.state.insert_subscription()
            return self.faults.changed(resource, Answer(200, body, {"Stripe-Version": version}))
        except StripeRefusal as refusal:
            return Answer(refusal.status, {"error": refusal.error}, {"Stripe-Version": API_VERSION})

    def _check_key(self, authorization: str) -> None:
        given = authorization.removeprefix("Bearer ").strip()
        if not given:
            raise StripeRefusal(401, "You did not provide an API key.")
        if self.key is not None and given != self.key:
            raise StripeRefusal(401, f"Invalid API Key provided: {given[:8]}****")


@contextmanager
def serve(
    objects: Mapping[str, list[JsonObject]], port: int = 0, faults: Faults | None = None, key: str | None = None
) -> Iterator[LocalStripe]:
    """Serve objects on the loopback until the block ends.

    Args:
        objects: lists by resource, as `load` gives them; they are copied.
        port: 0 takes a free one.
        faults: what is broken from the start.
        key: the only key that is let in; None lets any key in.
    """
    local = LocalStripe(objects, faults or Faults(), key)
    server = ThreadingHTTPServer((LOOPBACK, port), _handler(local))
    server.daemon_threads = True
    local.url = f"http://{LOOPBACK}:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="local-stripe", daemon=True)
    thread.start()
    try:
        yield local
    finally:
        local.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(local: LocalStripe) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body in one packet: in two, each answer waits for an acknowledgement

        def do_GET(self) -> None:
            split = urlsplit(self.path)
            self._send(
                local.answer(split.path, split.query, {name.title(): value for name, value in self.headers.items()})
            )

        def do_POST(self) -> None:
            split = urlsplit(self.path)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = dict(parse_qsl(split.query))
            if split.path != "/local/reinstate":
                self._send(Answer(405, {"error": {"message": "this Stripe is only read from"}}))
                return
            try:
                local.reinstate(asked["dispute"], datetime.fromtimestamp(int(asked["at"]), UTC))
            except (KeyError, ValueError) as error:
                self._send(Answer(400, {"error": {"message": f"dispute or at: {error}"}}))
            else:
                self._send(Answer(200, {"reinstated": asked["dispute"]}))

        def _send(self, answer: Answer) -> None:
            if answer.hung_up:
                self.close_connection = True
                return
            body = json.dumps(answer.body).encode()
            sent = body[: len(body) // 2] if answer.cut or answer.garbled else body
            try:
                self.send_response(answer.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent if answer.garbled else body)))
                self.send_header("Request-Id", f"req_{uuid.uuid4().hex[:14]}")
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(sent)
                self.wfile.flush()
            except OSError:  # the client gave up waiting
                self.close_connection = True
            if answer.cut:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: what is asked is counted, not printed."""

    return Handler


def _resource(path: str, parts: list[str]) -> tuple[str, str | None]:
    for resource in ("/".join(parts[1:3]), *parts[1:2]):
        after = parts[1 + resource.count("/") + 1 :]
        if parts[0] == "v1" and resource in _LISTED and len(after) <= 1:
            return resource, after[0] if after else None
    raise StripeRefusal(404, f"Unrecognized request URL (GET: {path}).")


def _parameters(query: str) -> tuple[dict[str, str], list[str], list[str]]:
    """Parameters, the paths to expand and the types of events; lists come as ``expand[]`` or ``expand[0]``."""
    parameters: dict[str, str] = {}
    lists: dict[str, list[str]] = {"expand": [], "types": []}
    for name, value in parse_qsl(query, keep_blank_values=True):
        head, bracket, _ = name.partition("[")
        if bracket and head in lists:
            lists[head].append(value)
        else:
            parameters[name] = value
    return parameters, lists["expand"], lists["types"]


@click.command()
@click.option("--objects", "path", required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--port", default=0, show_default="a free one")
def main(path: Path, port: int) -> None:
    """Serve a file of Stripe objects on the loopback until interrupted."""
    with serve(load(path), port) as local:
        click.echo(local.url)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
