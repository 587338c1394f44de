"""What keeps the served pages to the person at this machine.

They answer only to names of this machine, so that no name of a stranger that leads here can read them (DNS rebinding).
They run no script but the report's own, load nothing from elsewhere and are framed by nobody.
"""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The names under which a browser of this machine asks for it.
HOSTS = ("127.0.0.1", "localhost")
#: Pages without any script.
PLAIN_POLICY = (
    "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
#: A stored page that carries its own style.
STYLED_POLICY = PLAIN_POLICY.replace("'self'", "'unsafe-inline'", 1)
_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": PLAIN_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class SecurityHeaders:
    """Adds the headers to every answer, also to refusals; a header that an answer has of its own stays."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the headers."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)
