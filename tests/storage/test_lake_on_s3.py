"""The lake on a server that speaks S3: what is put is whole, what others put is seen, and one process takes a night."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from upath import UPath

from billing_dq.errors import SourceError
from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.lake import Lake
from billing_dq.storage.night_locks import NightLocks
from billing_dq.storage.object_locks import ObjectLock
from billing_dq.storage.places import place_of, why_not_writable
from billing_dq.storage.placing import put_file, put_text
from billing_dq.storage.stored_table import TableWriter
from billing_dq.tables import FINDINGS
from tests.support.s3_server import S3Server

NIGHT = "2026-11-21"
#: Another process: puts a table of a night, or holds the night until its input ends.
PUTS = f"""
import sys
from billing_dq.storage.lake import Lake
from billing_dq.storage.placing import put_text
put_text("x", Lake(sys.argv[1]).root / "findings" / "{NIGHT}.parquet")
"""
HOLDS = f"""
import sys
from billing_dq.storage.night_locks import NightLocks
with NightLocks(sys.argv[1]).hold("{NIGHT}"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def home(s3: S3Server, request: pytest.FixtureRequest) -> str:
    """An output location of the test's own."""
    return f"{s3.address}/{request.node.name}"


def test_a_home_on_s3_can_be_written_and_one_without_a_bucket_is_a_reason(home: str) -> None:
    assert why_not_writable(home, "lake") is None
    assert why_not_writable("s3://nobodys-bucket-0815/home", "lake")


def test_a_table_comes_back_as_it_was_put_and_a_text_is_replaced(home: str, tmp_path: Path) -> None:
    with TableWriter(FINDINGS, UPath(tmp_path / "table.parquet")) as writer:
        writer.write(to_arrow(FINDINGS, FINDINGS.empty()))
    lake = Lake(home)
    put_file(UPath(tmp_path / "table.parquet"), lake.root / "findings" / f"{NIGHT}.parquet")
    assert lake.choose(FINDINGS, None)[0] == NIGHT
    assert lake.require(FINDINGS, NIGHT).frame().empty
    for text in ("one", "two"):
        put_text(text, lake.root / "report" / f"{NIGHT}.md")
    assert (lake.root / "report" / f"{NIGHT}.md").read_text() == "two"


def test_what_another_process_puts_is_seen_by_one_that_has_looked_before(home: str) -> None:
    lake = Lake(home)
    put_text("x", lake.root / "findings" / "2026-11-20.parquet")
    assert lake.nights(FINDINGS) == ["2026-11-20"]
    assert lake.stored(FINDINGS, NIGHT) is None
    subprocess.run([sys.executable, "-c", PUTS, home], check=True)
    assert lake.nights(FINDINGS) == ["2026-11-20", NIGHT]
    assert lake.stored(FINDINGS, NIGHT) is not None


def test_a_night_that_is_being_written_is_hidden_from_readers_and_only_from_them(home: str) -> None:
    lake = Lake(home)
    put_text("x", lake.root / "findings" / f"{NIGHT}.parquet")
    lake.begin(NIGHT)
    assert lake.nights(FINDINGS) == []
    assert lake.stored(FINDINGS, NIGHT) is not None
    with pytest.raises(SourceError, match="is not whole: it is being taken, or its run ended half-way"):
        lake.require(FINDINGS, NIGHT)


def holder(home: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_night_that_a_process_of_any_machine_holds_is_refused_until_it_gives_it_up(home: str) -> None:
    with holder(home) as other:
        with (
            pytest.raises(SourceError, match=rf"^the night of {NIGHT} is being taken by process {other.pid} of "),
            NightLocks(home).hold(NIGHT),
        ):
            pass
        other.communicate()
    for _ in range(2):
        with NightLocks(home).hold(NIGHT), NightLocks(home).hold("2026-11-22"):
            pass


def test_a_killed_holder_blocks_the_night_for_a_lease_and_no_longer(home: str) -> None:
    with holder(home) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.communicate()
    path = place_of(home) / "locks" / f"{NIGHT}.lock"
    with pytest.raises(SourceError, match="is being taken by"):
        ObjectLock(path).take("the night")
    after_the_lease = ObjectLock(path, lease_seconds=0)
    after_the_lease.take("the night")
    after_the_lease.give_up()
    assert not after_the_lease.lost


def test_a_holder_whose_lock_was_taken_over_learns_it(home: str) -> None:
    path = place_of(home) / "locks" / f"{NIGHT}.lock"
    first, second = ObjectLock(path), ObjectLock(path, lease_seconds=0)
    first.take("the night")
    second.take("the night")
    first.give_up()
    second.give_up()
    assert (first.lost, second.lost) == (True, False)


def test_of_many_that_take_a_free_lock_one_succeeds(home: str) -> None:
    path = place_of(home) / "locks" / f"{NIGHT}.lock"
    locks = [ObjectLock(path) for _ in range(5)]
    taken: list[ObjectLock] = []
    for lock in locks:
        try:
            lock.take("the night")
        except SourceError:
            continue
        taken.append(lock)
    assert taken == locks[:1]
    taken[0].give_up()


def test_a_bucket_that_is_gone_is_one_line(s3: S3Server) -> None:
    path = place_of("s3://nobodys-bucket-0815") / "locks" / f"{NIGHT}.lock"
    with pytest.raises(SourceError, match="cannot be written"):
        ObjectLock(path).take("the night")
