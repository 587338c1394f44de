"""Serving on this machine only, until a signal ends it."""

import contextlib
import errno
import socket
import threading
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from billing_dq.errors import SourceError


@contextlib.contextmanager
def serving(app: ASGIApp, port: int) -> Iterator[str]:
    """Serve an application on the loopback interface while the block lasts; gives its address.

    It runs beside the main thread, which stays free for signals.

    Args:
        app: what to serve.
        port: 0 takes a free one.

    Raises:
        SourceError: the port cannot be had.
    """
    with _listening(port) as listener:
        config = uvicorn.Config(
            app, lifespan="off", ws="none", log_level="error", access_log=False, server_header=False
        )
        config.timeout_graceful_shutdown = 2  # seconds; a browser keeps its connections open
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), name="serve", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port of a server that has just ended is free
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError as error:
        listener.close()
        why = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror
        raise SourceError(f"port {port} of this machine cannot be had: {why}; --port takes another") from None
    return listener
