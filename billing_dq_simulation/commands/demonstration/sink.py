"""Where the alerts of the demo and of the tests go: a small HTTP server for what Apprise posts as JSON."""

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Lines of a message that the demo shows, and characters of each.
_LINES, _WIDTH = 6, 200


@dataclass
class Sink:
    """A server that answers with a status, and what it took.

    Attributes:
        port: of this machine.
        status: what it answers; nothing is taken but with 200.
        asked: how often something came.
        taken: the messages, with ``title`` and ``message``.
    """

    port: int
    status: int = 200
    asked: int = 0
    taken: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def url(self, path: str = "") -> str:
        """The address for Apprise."""
        return f"json://127.0.0.1:{self.port}/{path}"

    def take(self, content: bytes) -> int:
        """Keep a message where the status is to be 200; the value is the status to answer with."""
        self.asked += 1
        if self.status != 200:
            return self.status
        try:
            message = json.loads(content)
            self.taken.append({**message, "title": str(message["title"]), "message": str(message["message"])})
        except (ValueError, KeyError, TypeError):  # not what Apprise posts
            return 400
        return 200

    def new_messages(self) -> list[str]:
        """What came in since the last question, as text to print."""
        messages, self.taken = self.taken, []
        shown: list[str] = []
        for message in messages:
            texts = message["message"].splitlines()
            lines = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]} ..." for line in texts if line]
            more = [f"... {len(lines) - _LINES} more lines"] if len(lines) > _LINES else []
            shown.append("\n    ".join([f"  {message['title']}", *lines[:_LINES], *more]))
        return shown


@contextlib.contextmanager
def alert_sink() -> Iterator[Sink]:
    """A sink on a free port of this machine, as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name is the standard library's
            """Take a message."""
            self.send_response(sink.take(self.rfile.read(int(self.headers.get("Content-Length", 0)))))
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keep the terminal for the demo."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sink = Sink(int(server.server_address[1]))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()
