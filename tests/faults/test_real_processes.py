"""A few nights over real processes: the night killed, the server killed, then the night again, and the next one.

What is seeded and plentiful is in `test_night_faults`; here nothing stands in for anything but Stripe. A longer run:

    BILLING_DQ_TEST_KILLED_NIGHTS=200 pytest tests/faults/test_real_processes.py
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient

from billing_dq.errors import SourceError
from billing_dq.runner import stored_night
from billing_dq.storage.lake import Lake
from billing_dq_simulation.config import settings_toml
from billing_dq_simulation.embedded import embedded_mongodb
from billing_dq_simulation.local_stripe import serve
from tests.faults import company
from tests.faults.night_faults import everything_is_readable

pytestmark = pytest.mark.slow

PROGRAM = Path(sys.executable).parent / "billing-dq"
COMPANY = 1
#: How many files of a night are stored when it is killed; the first two always, more by their number.
KILLED_AT = [1, 25, *(random.Random(f"killed night {n}").randrange(60) for n in range(2, 10_000))]
KILLED_NIGHTS = int(os.environ.get("BILLING_DQ_TEST_KILLED_NIGHTS", "2"))
Wait = Callable[[], bool]


class Night:
    """The command of a night in a directory with settings."""

    def __init__(self, directory: Path, uri: str, stripe: str) -> None:
        self.directory = directory
        self.home = directory / "home"
        (directory / "billing_dq.toml").write_text(settings_toml(company.config(COMPANY)))
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("BILLING_DQ_")}
        self.environment |= {
            "BILLING_DQ_HOME": str(self.home),
            "BILLING_DQ_MONGODB_URI": uri,
            "BILLING_DQ_MONGODB_CONNECT_SECONDS": "1",
            "BILLING_DQ_STRIPE_API_KEY": company.KEY,
            "BILLING_DQ_STRIPE_BASE_URL": stripe,
            "DAGSTER_HOME": str(directory / "dagster"),
        }
        (directory / "dagster").mkdir()

    def start(self, night: int, *more: str) -> subprocess.Popen[str]:
        """The process of a night."""
        words = [str(PROGRAM), "nightly", "--as-of", company.as_of(night).isoformat(), "--json", *more]
        return subprocess.Popen(
            words, cwd=self.directory, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def files(self) -> int:
        """How many tables and records are stored."""
        return len(list(self.home.glob("lake/*/[!.]*")))

    def is_complete(self, night: int) -> bool:
        """Whether a night says that it is complete, and then it says what is true."""
        everything_is_readable(Lake(str(self.home)))
        settings = company.settings_of(COMPANY, str(self.home))
        try:
            stored = stored_night(settings, company.as_of(night).date().isoformat())
        except SourceError:
            return False
        true = company.truth(COMPANY, 0, 0, stored.stripe.state == "read").findings
        assert {one[:3] for one in company.told(stored.open_findings)} == {one[:3] for one in true}
        return True


@pytest.fixture(scope="module")
def stripe() -> Iterator[str]:
    with serve(company.objects_of(COMPANY, 0)) as local:
        yield local.url


def fill(uri: str) -> None:
    with MongoClient[dict](uri, w="majority", journal=True) as client:
        for name, documents in company.documents_of(COMPANY, 0).items():
            client["app"].create_collection(name)
            if documents:
                client["app"][name].insert_many([dict(one) for one in documents])


def until(reached: Wait, process: subprocess.Popen[str]) -> None:
    """Look until something is so, or the process has ended."""
    while not reached() and process.poll() is None:
        time.sleep(0.005)


def one_line(error: str) -> bool:
    return len(error.strip().splitlines()) == 1 and "Traceback" not in error


@pytest.mark.parametrize("number", range(KILLED_NIGHTS))
def test_a_night_that_is_killed_is_not_there_and_is_taken_once_more(tmp_path: Path, stripe: str, number: int) -> None:
    files = KILLED_AT[number]
    with embedded_mongodb(tmp_path / "mongodb") as server:
        fill(server.uri)
        night = Night(tmp_path, server.uri, stripe)
        process = night.start(0)
        until(lambda: night.files() >= files, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        night.is_complete(0)
        again = night.start(0, "--again")
        said, error = again.communicate()
        assert again.returncode in (0, 1), error
        assert json.loads(said)["night"] == company.as_of(0).date().isoformat()
        assert night.is_complete(0)


def test_a_night_whose_server_is_killed_says_so_and_the_next_one_is_complete(tmp_path: Path, stripe: str) -> None:
    data = tmp_path / "mongodb"
    with embedded_mongodb(data) as server:
        fill(server.uri)
        night = Night(tmp_path, server.uri, stripe)
        os.kill(server.process.pid, signal.SIGKILL)
        process = night.start(0)
        _, error = process.communicate()
        assert process.returncode == 2
        assert one_line(error), error
        assert not night.is_complete(0)
    with embedded_mongodb(data) as server:
        night.environment["BILLING_DQ_MONGODB_URI"] = server.uri
        process = night.start(0)
        _, error = process.communicate()
        assert process.returncode in (0, 1), error
        assert night.is_complete(0)
