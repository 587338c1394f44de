"""Where the demo's alerts go: a small HTTP server of this process, which takes what Apprise posts as JSON."""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: Lines of a message that the demo shows, and characters of each.
_LINES, _WIDTH = 6, 200


class Sink:
    """The messages that came in, and the address to send them to."""

    def __init__(self, port: int) -> None:
        self.url = f"json://127.0.0.1:{port}/"
        self._messages: list[tuple[str, str]] = []

    def take(self, content: bytes) -> None:
        """Keep a message.

        Raises:
            ValueError, KeyError: it is not what Apprise posts.
        """
        message = json.loads(content)
        self._messages.append((message["title"], message["message"]))

    def told(self) -> list[str]:
        """What came in since the last question, as text to print."""
        messages, self._messages = self._messages, []
        shown: list[str] = []
        for title, text in messages:
            lines = [line if len(line) <= _WIDTH else f"{line[:_WIDTH]} ..." for line in text.splitlines() if line]
            more = [f"... {len(lines) - _LINES} more lines"] if len(lines) > _LINES else []
            shown.append("\n    ".join([f"  {title}", *lines[:_LINES], *more]))
        return shown


@contextlib.contextmanager
def alert_sink() -> Iterator[Sink]:
    """A sink on a free port of this machine, as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name is the standard library's
            """Take a message."""
            status = 200
            try:
                sink.take(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            except (ValueError, KeyError):
                status = 400
            self.send_response(status)
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
