"""The local Stripe without a socket: its answers as the `requests` library would give them."""

import io
import json

import requests
from requests.adapters import BaseAdapter

from billing_dq_simulation.local_stripe import LocalStripe
from tests.faults.plan import Edge


class MemoryTransport(BaseAdapter):
    """Hands every request to a local Stripe. Hanging is a time-out at once; nobody waits."""

    def __init__(self, stripe: LocalStripe, edge: Edge) -> None:
        super().__init__()
        self._stripe = stripe
        self._edge = edge
        stripe.closing.set()

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:  # pyright: ignore
        self._edge.crossed()
        path, _, query = request.path_url.partition("?")
        answer = self._stripe.answer(path, query, {name.title(): value for name, value in request.headers.items()})
        if answer.hung_up:
            raise requests.exceptions.ReadTimeout("read timed out")
        if answer.cut:
            raise requests.exceptions.ChunkedEncodingError("connection broken: IncompleteRead")
        body = json.dumps(answer.body).encode()
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.raw = io.BytesIO(body[: len(body) // 2] if answer.garbled else body)
        response.request, response.url = request, str(request.url)
        return response

    def close(self) -> None:
        return None


def session_of(transport: MemoryTransport) -> type[requests.Session]:
    """A class of sessions that know no other way out."""

    class Session(requests.Session):
        def __init__(self) -> None:
            super().__init__()
            self.adapters.clear()
            self.mount("http://", transport)
            self.mount("https://", transport)

    return Session
