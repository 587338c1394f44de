"""Nights in which things fail, seeded: what a night ends in, and what the night after it says.

A story is six nights of one small company. The first is sound; in each other one something fails, but in the last; half
of the nights are taken once more, while something else may fail. Each night goes through `run_night`, the function
behind `billing-dq nightly`, with Dagster, the lake, the locks and both sources as they are. MongoDB, Stripe, the disk
and the clock are held in memory, where they fail on demand.

    python -m tests.faults.night_faults --nights 200            # until so many nights had a fault
    python -m tests.faults.night_faults --seed 17               # one story again, night by night
"""

import json
import logging
import multiprocessing
import os
import random
import resource
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import click
import dagster as dg
import pandas as pd
import pytest
import requests
import stripe as stripe_sdk
from upath import UPath

from billing_dq import runner
from billing_dq.defs import resources
from billing_dq.errors import SourceError
from billing_dq.reconcile.findings.standing import seen_open
from billing_dq.runner import StoredNight, run_night, stored_night
from billing_dq.sources.mongodb import server
from billing_dq.sources.stripe import client
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import StoredTable
from billing_dq.tables import FINDINGS, LEDGER_ENTRIES, NIGHTLY_REPORT, TABLES
from billing_dq.vocabulary.kinds import kinds_of_result
from billing_dq_simulation.faults.stripe import Faults
from billing_dq_simulation.local_stripe import LocalStripe
from tests.faults import company as companies
from tests.faults.disk import disk, full
from tests.faults.memory_mongodb import MOODS, MemoryMongo
from tests.faults.memory_stripe import MemoryTransport, session_of
from tests.faults.plan import Edge, Killed, Process
from tests.faults.remembered import remembering
from tests.support.stripe_night import FakeClock

#: About so many crossings each edge has in such a night; a fault that is planned later than the last befalls nobody.
CROSSINGS = {"mongodb": 38, "stripe": 6, "disk": 108}
#: What a night without a table that it can do without may not say.
_OF_OPTIONAL = kinds_of_result("charges") | kinds_of_result("refunds")


@dataclass
class Trouble:
    """What fails in one night.

    Attributes:
        name: for the tally.
        mongodb, stripe, disk: the edges.
        moods: how Stripe is.
        key_refused: Stripe does not know the key.
        snapshots: whether the server gives them.
        clock_moves: days by which the clock moves between the start of a night and its reading.
    """

    name: str
    process: Process
    mongodb: Edge
    stripe: Edge
    disk: Edge
    moods: Faults = field(default_factory=Faults)
    key_refused: bool = False
    snapshots: bool = True
    clock_moves: int = 0


def no_trouble() -> Trouble:
    """A sound night."""
    process = Process()
    return Trouble("none", process, Edge(process), Edge(process), Edge(process))


def trouble_of(rng: random.Random) -> Trouble:
    """What fails in a night, by chance."""
    trouble = no_trouble()
    trouble.snapshots = rng.random() < 0.7
    edge: Edge
    match rng.choice(("mongodb", "mongodb", "stripe", "stripe", "wire", "disk", "disk", "killed", "stopped", "clock")):
        case "mongodb":
            mood = rng.choice(sorted(MOODS))
            trouble.name, edge = f"mongodb {mood}", trouble.mongodb
            edge.at, edge.times = rng.randrange(CROSSINGS["mongodb"]), rng.choice((1, 1, 2, 1_000_000))
            edge.fails = _raising(MOODS[mood])
        case "stripe":
            trouble.name = _stripe_mood(trouble, rng)
        case "wire":
            trouble.name, edge = "stripe cannot be reached", trouble.stripe
            edge.at, edge.times = rng.randrange(CROSSINGS["stripe"]), rng.choice((1, 3, 1_000_000))
            edge.fails = _raising(requests.exceptions.ConnectionError("connection reset by peer"))
        case "disk":
            trouble.name, edge = "disk full", trouble.disk
            edge.at, edge.times, edge.fails = rng.randrange(CROSSINGS["disk"]), rng.choice((1, 5, 1_000_000)), full
        case "killed":
            at = rng.choice(("mongodb", "stripe", "disk", "disk"))
            trouble.name, edge = f"killed at {at}", getattr(trouble, at)
            edge.at, edge.fails = rng.randrange(CROSSINGS[at]), trouble.process.kill
        case "stopped":
            at = rng.choice(("stripe", "disk"))
            trouble.name, edge = f"stopped at {at}", getattr(trouble, at)
            edge.at, edge.fails = rng.randrange(CROSSINGS[at]), _raising(KeyboardInterrupt())
        case _:
            trouble.clock_moves = rng.choice((-1, 1, 30))
            trouble.name = f"clock moved by {trouble.clock_moves} days"
    return trouble


def _stripe_mood(trouble: Trouble, rng: random.Random) -> str:
    few = rng.choice((1, 2, 3, 40))
    moods: dict[str, Callable[[], Faults | None]] = {
        "too many requests": lambda: Faults(too_many=few, retry_after=rng.choice((None, "1", "3600", "soon"))),
        "server errors": lambda: Faults(failing=few),
        "no answers": lambda: Faults(hanging=few),
        "answers cut off": lambda: Faults(cut_off=few),
        "answers garbled": lambda: Faults(garbled=few),
        "half pages": lambda: Faults(half_pages=True),
        "one page for ever": lambda: Faults(same_page=True, half_pages=True),
        "another version": lambda: Faults(version="2020-08-27"),
        "a right is missing": lambda: Faults(
            forbidden=frozenset({rng.choice(("subscriptions", "disputes", "invoices", "refunds", "events", "charges"))})
        ),
        "key refused": lambda: None,
    }
    name = rng.choice(sorted(moods))
    faults = moods[name]()
    trouble.moods, trouble.key_refused = faults or Faults(), faults is None
    return f"stripe {name}"


def _raising(error: BaseException) -> Callable[[], None]:
    def fails() -> None:
        raise error

    return fails


class FakeTime(datetime):
    """A clock that stands where it is put, and moves when it was read once."""

    at: datetime
    moves: timedelta

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # pyright: ignore[reportIncompatibleMethodOverride]
        now = cls.at
        cls.at += cls.moves
        cls.moves = timedelta()
        return now


@contextmanager
def surroundings(number: int, night: int, version: int, trouble: Trouble, home: Path) -> Iterator[None]:
    """MongoDB, Stripe, the disk and the clock of a night of a company."""
    documents, objects = companies.documents_of(number, night, version), companies.objects_of(number, night)
    with surroundings_of(documents, objects, companies.as_of(night), trouble, home):
        yield


@contextmanager
def surroundings_of(
    documents: companies.Documents, objects: companies.Documents, as_of: datetime, trouble: Trouble, home: Path
) -> Iterator[None]:
    """The same with these documents and Stripe objects at an instant."""
    local = LocalStripe(objects, trouble.moods, "rk_live_another" if trouble.key_refused else None)
    clock = type("Time", (FakeTime,), {"at": as_of, "moves": timedelta(days=trouble.clock_moves)})
    with pytest.MonkeyPatch.context() as patch, disk(home, trouble.disk), remembering():
        patch.setattr(
            server, "connect", lambda _uri, _settings: MemoryMongo(documents, trouble.mongodb, trouble.snapshots)
        )
        patch.setattr(client.requests, "Session", session_of(MemoryTransport(local, trouble.stripe)))
        patch.setattr(client, "time", FakeClock())
        patch.setattr(stripe_sdk.HTTPClient, "INITIAL_DELAY", 0)
        patch.setattr(stripe_sdk.HTTPClient, "MAX_DELAY", 0)
        patch.setattr(runner, "datetime", clock)
        patch.setattr(resources, "datetime", clock)
        yield


#: The files of the first night of each company, in this process.
_FIRST_NIGHTS: dict[int, dict[Path, bytes]] = {}


@dataclass
class Story:
    """Six nights of a company, as a seed has them.

    Attributes:
        tally: how many nights had which trouble and ended how.
        first_seen: the findings that are open as far as complete nights know, and the first night that had each.
        resolved: the same of those that are resolved.
        whole: the files that were read and are whole, by what the file system says of them.
        hidden: the nights that were taken and are not whole: no later night knows what they found.
    """

    seed: int
    home: Path
    instance: dg.DagsterInstance
    tally: Counter[str] = field(default_factory=Counter[str])
    first_seen: dict[tuple[str, ...], str] = field(default_factory=dict[tuple[str, ...], str])
    resolved: dict[tuple[str, ...], str] = field(default_factory=dict[tuple[str, ...], str])
    whole: dict[Path, tuple[int, ...]] = field(default_factory=dict[Path, tuple[int, ...]])
    hidden: set[int] = field(default_factory=set[int])
    told: Callable[[str], None] = lambda _line: None

    def __post_init__(self) -> None:
        self.rng = random.Random(f"night faults {self.seed}")
        self.number = self.seed % companies.COMPANIES
        self.settings = companies.settings_of(self.number, str(self.home))

    def play(self) -> None:
        """Take the nights, and judge each.

        Raises:
            AssertionError: one is wrong.
        """
        self.begin()
        for night in range(1, companies.NIGHTS):
            sound = night == companies.NIGHTS - 1
            trouble = no_trouble() if sound else trouble_of(self.rng)
            ended = self.take(night, 0, trouble)
            if sound:
                assert ended == "complete", self.where(night, trouble, f"a sound night ended {ended}")
            elif self.rng.random() < 0.5:  # somebody takes it once more, while something else may fail
                version = self.rng.randrange(2)
                second = no_trouble() if self.rng.random() < 0.5 else trouble_of(self.rng)
                ended = self.take(night, version, second, again=True)
                if second.name == "none":
                    assert ended == "complete", self.where(night, trouble, f"taken again it ended {ended}")
            self.learn(night)

    def begin(self) -> None:
        """The first night: taken once for each company, as it is the same in every story."""
        if self.number not in _FIRST_NIGHTS:
            ended = self.take(0, 0, no_trouble())
            assert ended == "complete", self.where(0, no_trouble(), f"the first night ended {ended}")
            _FIRST_NIGHTS[self.number] = {
                path.relative_to(self.home): path.read_bytes() for path in (self.home / "lake").rglob("*.*")
            }
        for path, content in _FIRST_NIGHTS[self.number].items():
            (self.home / path).parent.mkdir(parents=True, exist_ok=True)
            (self.home / path).write_bytes(content)
        self.learn(0)

    def take(self, night: int, version: int, trouble: Trouble, again: bool = False) -> str:
        """One attempt at a night: how it ended."""
        result: StoredNight | None = None
        said = ""
        try:
            with surroundings(self.number, night, version, trouble, self.home):
                result = run_night(self.settings, self.instance, again=again)
        except (SourceError, KeyboardInterrupt, Killed) as error:
            said = str(error)
            ended = type(error).__name__
        else:
            ended = "complete" if result.stripe.state == "read" else "without Stripe"
        ended = "Killed" if trouble.process.dead else ended
        fired = any(edge.fired for edge in (trouble.mongodb, trouble.stripe, trouble.disk))
        self.tally[f"{trouble.name}: {ended}"] += 1
        self.told(f"night {night}.{version}{' again' if again else ''}: {trouble.name}, {fired=}: {ended} {said}")
        try:
            self.judge(night, said, result)
        except AssertionError as wrong:
            raise AssertionError(self.where(night, trouble, f"{wrong} (ended {ended}: {said})")) from wrong
        return ended

    def where(self, night: int, trouble: Trouble, wrong: str) -> str:
        """What is wrong, and the command that shows it again."""
        return f"seed {self.seed}, night {night}, {trouble.name}: {wrong}; again: {_again(self.seed)}"

    def place(self, night: int) -> str:
        """Which night of which story, and the command that shows it again."""
        return f"seed {self.seed} ({_again(self.seed)}), night {night}"

    def judge(self, night: int, said: str, result: StoredNight | None) -> None:
        """Complete or clearly incomplete, no false finding, nothing half-written, no secret told."""
        assert "\n" not in said, "the reason is not one line"
        assert "Traceback" not in said, "the reason is a traceback"
        assert "No space left" not in said or " is full: " in said, "the reason does not name what is full"
        assert not any(secret in said for secret in (companies.KEY, "hunter2")), "the reason holds a secret"
        date = companies.as_of(night).date().isoformat()
        everything_is_readable(Lake(self.settings.home), self.whole)
        if date not in Lake(self.settings.home).nights(NIGHTLY_REPORT):
            assert result is None, "the night succeeded and is not whole, or has no report"
            with pytest.raises(SourceError):
                stored_night(self.settings, date)
            return
        self.judge_complete(night, date)
        if result is not None:
            red = {check.name for check in result.checks if not check.passed}
            assert (result.stripe.state == "read") == ("stripe_was_read" not in red), "Stripe's check is not right"

    def judge_complete(self, night: int, date: str) -> None:
        """A night that looks complete says what is true of what it read."""
        lake = Lake(self.settings.home)
        stored = stored_night(self.settings, date)
        entries = lake.require(LEDGER_ENTRIES, date).rows
        truths = [
            truth
            for version in (0, 1)
            if (truth := companies.truth(self.number, night, version, stored.stripe.state == "read")).ledger_entries
            == entries
        ]
        assert len(truths) == 1, f"{entries} ledger entries are those of no version of the night"
        found, true = companies.told(stored.open_findings), truths[0].findings
        if stored.stripe.absent:
            keys, true_keys = {one[:3] for one in found}, {one[:3] for one in true}
            assert keys <= true_keys, f"false findings: {sorted(keys - true_keys)}"
            missing = {one for one in true_keys - keys if one[0] not in _OF_OPTIONAL}
            assert not missing, f"missing findings: {sorted(missing)}"
        else:
            assert found == true, f"false: {sorted(found - true)}, missing: {sorted(true - found)}"

    def learn(self, night: int) -> None:
        """Learn of every night that is whole by now: this one, and earlier ones that its run finished."""
        lake = Lake(self.settings.home)
        self.hidden.add(night)
        for taken in sorted(self.hidden):
            date = companies.as_of(taken).date().isoformat()
            if date in lake.nights(NIGHTLY_REPORT):
                self.judge_complete(taken, date)
                self.learn_of(taken, date)
                self.hidden.discard(taken)

    def learn_of(self, night: int, date: str) -> None:
        """Hold the ages of a complete night's findings to what earlier complete nights said."""
        lake = Lake(self.settings.home)
        findings = lake.require(FINDINGS, date).frame()
        for row in seen_open(findings, date).itertuples():
            key = _key(row)
            if row.state == "reopened" and key in self.resolved:  # it keeps the day on which it was first seen
                self.first_seen.setdefault(key, self.resolved[key])
            first = self.first_seen.setdefault(key, date)
            assert row.first_seen == first, f"{self.place(night)}: {key} is first seen {row.first_seen}, not {first}"
        for row in findings[findings["state"] == "resolved"].itertuples():
            if row.last_seen == date or _key(row) in self.first_seen:
                known = self.first_seen.pop(_key(row), None)
                self.resolved[_key(row)] = row.first_seen
                assert known is not None, f"{self.place(night)}: {_key(row)} is resolved and was not open"


def _again(seed: int) -> str:
    """The command that shows a story again."""
    return f"python -m tests.faults.night_faults --seed {seed}"


def _key(row: object) -> tuple[str, ...]:
    return tuple(
        "" if pd.isna(getattr(row, name)) else str(getattr(row, name))
        for name in ("kind", "organization_id", "subject")
    )


def everything_is_readable(lake: Lake, known: dict[Path, tuple[int, ...]] | None = None) -> None:
    """No file that a reader takes for a table or a record is half written.

    ``known`` are files that were whole before, by what the file system says of them: those are not read again.
    """
    seen = {} if known is None else known
    for path in sorted(Path(str(lake.root)).glob("*/[!.]*")):
        status = path.stat()
        state = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen.get(path) == state:
            continue
        seen[path] = state
        if path.suffix == ".parquet":
            table = TABLES[path.parent.name]
            table.conform(StoredTable(table, UPath(path)).frame())
        elif path.parent.name == "unfinished":
            continue  # a mark, which no reader takes for a record
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".html":
            assert path.read_text(encoding="utf-8").rstrip().endswith("</html>"), f"half a page: {path.name}"
        else:
            assert path.suffix == ".md", f"what is {path.name}?"


def play(seed: int, told: Callable[[str], None] = lambda _line: None) -> Counter[str]:
    """One story; how its nights ended.

    Raises:
        AssertionError: a night is wrong; the message has the command that shows it again.
    """
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        home = Path(stack.enter_context(tempfile.TemporaryDirectory())).resolve()
        instance = stack.enter_context(dg.DagsterInstance.ephemeral())
        story = Story(seed, home, instance, told=told)
        story.play()
    return story.tally


def played(seed: int) -> tuple[Counter[str], str]:
    """One story: how its nights ended, and what is wrong with one, if any."""
    try:
        return play(seed), ""
    except AssertionError as wrong:
        return Counter({"none: WRONG": 1}), str(wrong)
    except Exception as error:
        return Counter({"none: WRONG": 1}), f"seed {seed}: {type(error).__name__}: {error}; again: {_again(seed)}"


@click.command()
@click.option(
    "--nights", type=click.IntRange(1), default=200, show_default=True, help="Play until so many had a fault."
)
@click.option("--first", type=int, default=0, show_default=True, help="The seed of the first story.")
@click.option("--processes", type=click.IntRange(1), default=os.cpu_count() or 1, help="Stories at once.")
@click.option("--seed", type=int, help="Only this story, told night by night.")
def main(nights: int, first: int, processes: int, seed: int | None) -> None:
    """Play stories of nights in which things fail, and judge every night."""
    started = time.perf_counter()
    if seed is not None:
        play(seed, click.echo)
        return
    total, stories, failed = Counter[str](), 0, 0
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        while _faulty(total) < nights:
            seeds = range(first + stories, first + stories + 2 * processes)
            for tally, wrong in pool.map(played, seeds):
                total += tally
                failed += bool(wrong)
                if wrong:
                    click.echo(f"WRONG: {wrong}")
            stories += len(seeds)
            click.echo(f"{stories:,} stories: {_faulty(total):,} nights with a fault, {failed} stories wrong", err=True)
    for line, count in sorted(total.items()):
        click.echo(f"{count:6,}  {line}")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)  # of the processes, which have ended by now
    took = f"in {time.perf_counter() - started:,.0f} s and {used.ru_utime + used.ru_stime:,.0f} s of CPU"
    click.echo(
        f"{stories:,} stories, {total.total():,} nights, {_faulty(total):,} of them with a fault, "
        f"{failed} stories wrong, {took}"
    )
    raise SystemExit(1 if failed else 0)


def _faulty(tally: Counter[str]) -> int:
    return sum(count for line, count in tally.items() if not line.startswith("none:"))


if __name__ == "__main__":
    main()
