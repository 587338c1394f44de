"""The one write, whatever happens around it: appliers that run in turns, are killed, lose answers; seeded.

A story has one reinstated dispute, one to four appliers that share a home or have one each, the application that
writes debits, and in some a person who gives a part back by hand. Each applier goes on from one step to the next (what
its observer hears, and each operation of the database) when the story lets it, so a seed is one interleaving. The
applier, its writer and the audit log are as they are; the balance document is in memory.

    python -m tests.faults.credit_faults --crashes 10000
    python -m tests.faults.credit_faults --seed 17
"""

import os
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import click
import pytest
from bson import ObjectId
from pydantic import SecretStr

from billing_dq.credits.apply import Applier
from billing_dq.credits.audit import AuditLog
from billing_dq.credits.ledger_writer import LedgerWriter
from billing_dq.credits.parking import OnRecord
from billing_dq.credits.plan import CreditPlan, DisputeEntry, LedgerState, Limits, plan_credit
from billing_dq.credits.requests import CreditOutcome, CreditRequest, RunBudget
from billing_dq.credits.verification import compare
from billing_dq.errors import TransientSourceError
from billing_dq.settings import Credits, Settings
from billing_dq.sources.mongodb.organization_ledger import written_credit
from tests.faults.memory_ledger import MemoryCollection, MemoryLedger
from tests.faults.plan import Killed
from tests.support import small_world as world

PREFIX = "dispute_reinstate_"
#: How an operation of the database ends, where it does not simply succeed.
ENDS = {
    "find": ("lost",),
    "update": ("lost", "not primary", "conflict", "late", "answer lost", "answer lost", "not by the majority"),
}


class Turns:
    """One applier in a thread of its own that takes a step only when it is told to."""

    def __init__(self, story: "Story", home: Path) -> None:
        self.story = story
        self.home = home
        self.killed = False
        self.error: BaseException | None = None
        self.outcome: CreditOutcome | None = None
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def step(self, kill: bool = False) -> None:
        """Let it go on to its next step; where it is killed it dies in this one."""
        self.killed = kill
        self._go.release()
        self._stands.acquire()
        if self.outcome is not None or self.error is not None:
            self._thread.join()

    def at(self, _step: str) -> None:
        """Stand at a step until told."""
        self._stands.release()
        self._go.acquire()
        if self.killed:
            raise Killed

    def operation(self, name: str) -> str:
        """Stand at an operation of the database, and hear how it ends."""
        self.at(name)
        return self.story.ending(name)

    def _run(self) -> None:
        self._go.acquire()
        try:
            if self.killed:
                raise Killed
            self.outcome = self.story.apply(self.home, self)
        except BaseException as error:
            self.error = error
        self._stands.release()


class Story:
    """One interleaving.

    Attributes:
        tally: crashes, steps, and how the appliers ended.
    """

    def __init__(self, seed: int, directory: Path) -> None:
        self.seed = seed
        self.rng = random.Random(f"credit faults {seed}")
        self.tally: Counter[str] = Counter()
        self.ledger = MemoryLedger(
            {
                "organization": ObjectId(world.ORGANIZATION),
                "cachedBalance": -500,
                "ledger": [
                    world.entry("topup", world.CLAWBACK, "pack"),
                    world.entry("debit", -500, "65a000000000000000000001:initial"),
                    world.entry("refund", -world.CLAWBACK, f"refund-dispute_{world.DISPUTE}-{ObjectId()}"),
                ],
            }
        )
        self.shared = self.rng.random() < 0.6
        self.homes = [directory / ("home" if self.shared else f"home-{number}") for number in range(4)]
        self.faults = self.rng.choice((0.0, 0.1, 0.3))
        self.kills = self.rng.choice((0.02, 0.1, 0.2))

    def play(self) -> None:
        """Run the appliers in turns, then let a last one complete what is left.

        Raises:
            AssertionError: a credit is missing, doubled, or told otherwise than it stands.
        """
        started = self.rng.randrange(1, 5)
        live = [Turns(self, self.homes[number]) for number in range(started)]
        by_hand_in = self.rng.randrange(80) if self.rng.random() < 0.3 else None
        steps = 0
        while live:
            one = self.rng.choice(live)
            kill = self.rng.random() < self.kills
            one.step(kill)
            steps += 1
            if kill and isinstance(one.error, Killed):
                self.tally["crashes"] += 1
                self._tear(one.home)
                if started < 12:  # whoever runs it starts it again
                    live.append(Turns(self, one.home))
                    started += 1
            if one.ended:
                live.remove(one)
                self._account(one)
            if self.rng.random() < 0.05:
                self.ledger.push(world.entry("debit", -3, f"{ObjectId()}:initial"))
            if self.rng.random() < 0.05:
                self.ledger.land_late()
            if steps == by_hand_in:
                self.ledger.push(world.entry("adjustment", 1000, "dispute-credit-1"))
        self.tally["steps"] += steps
        self.ledger.land_late()
        self.faults, self.kills = 0.0, 0.0
        for home in dict.fromkeys(self.homes):
            if home.exists():
                self._to_the_end(home)
        self._to_the_end(self.homes[0])
        self.judge()

    def apply(self, home: Path, turns: Turns) -> CreditOutcome:
        """One request of an applier."""
        settings = Settings(home=str(home), credits=Credits(mode="apply"), stripe_api_key=SecretStr("rk_live_local"))
        writer = LedgerWriter(MemoryCollection(self.ledger, turns.operation))  # pyright: ignore[reportArgumentType]
        applier = Applier(self._plan, writer, AuditLog(home / "credits"), lambda: settings, turns.at)
        request = CreditRequest(world.DISPUTE, "anna", "the money came back")
        return applier.apply(request, RunBudget.of(settings))

    def ending(self, operation: str) -> str:
        """How an operation of the database ends."""
        if operation in ENDS and self.rng.random() < self.faults:
            return self.rng.choice(ENDS[operation])
        return "done"

    def judge(self) -> None:
        """Credited once, to the unit, and the logs say so."""
        entries = self.ledger.entries
        ours = [one for one in entries if one["refId"] == world.REF]
        refs = [one["refId"] for one in entries]
        assert len(ours) == 1, f"credited {len(ours)} times"
        before = "dispute-credit-1" in refs[: refs.index(world.REF)]
        assert ours[0]["amount"] == world.CLAWBACK - 1000 * before, f"credited {ours[0]['amount']}"
        assert self.ledger.document["cachedBalance"] == sum(float(str(one["amount"])) for one in entries)
        written = [written_credit(world.ORGANIZATION, one) for one in ours]
        verified: set[object] = set()
        for home in dict.fromkeys(self.homes):
            records = AuditLog(home / "credits").read().records
            known = [one for one in written if any(r.facts.get("entry_id") == one.entry_id for r in records)]
            faults = [one for one in compare(records, known, PREFIX) if one.is_fault]
            assert not faults, f"the log and the ledger differ: {faults}"
            verified |= {record.facts["entry_id"] for record in records if record.kind == "verified"}
        # two appliers of one home may both look up what a third one left, and both say so
        assert verified == {written[0].entry_id}, f"verified {verified}"

    def _plan(self, dispute_id: str, on_record: OnRecord) -> CreditPlan:
        entries = tuple(
            DisputeEntry(str(one["_id"]), str(one["kind"]), str(one["refId"]), float(str(one["amount"])))
            for one in self.ledger.entries
            if "dispute" in str(one["refId"])
        )
        state = LedgerState(True, len(self.ledger.entries), world.ORGANIZATION in on_record.parked, entries)
        credits = Credits()
        limits = Limits(credits.approve_above_units, credits.max_units_per_credit)
        return plan_credit(world.position_of(entries, dispute_id), state, limits)

    def _to_the_end(self, home: Path) -> None:
        last = Turns(self, home)
        while not last.ended:
            last.step()
        assert last.outcome is not None, f"the last applier ended with {last.error!r}"
        assert last.outcome.state in ("credited", "nothing_due"), f"the last applier: {last.outcome.state}"

    def _account(self, one: Turns) -> None:
        if one.outcome is not None:
            assert one.outcome.state in ("credited", "nothing_due"), one.outcome
            self.tally[one.outcome.state] += 1
        else:
            assert isinstance(one.error, Killed | TransientSourceError), f"an applier ended with {one.error!r}"
            self.tally[type(one.error).__name__] += 1

    def _tear(self, home: Path) -> None:
        """A last line that the disk had only a part of: one that was never acknowledged."""
        path = home / "credits" / "audit.jsonl"
        if path.exists() and not self.shared and self.rng.random() < 0.3:
            with path.open("ab") as file:
                file.write(b'{"actor":"anna","at":"2026-11-2'[: self.rng.randrange(1, 30)])


def play(seed: int) -> Counter[str]:
    """One story; what happened in it.

    Raises:
        AssertionError: something is wrong; the message has the command that shows it again.
    """
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)  # no power is lost here, and the disk is slow
        story = Story(seed, Path(directory))
        try:
            story.play()
        except AssertionError as wrong:
            command = f"python -m tests.faults.credit_faults --seed {seed}"
            raise AssertionError(f"seed {seed}: {wrong}; again: {command}") from wrong
        return story.tally


@click.command()
@click.option("--crashes", type=click.IntRange(1), default=1000, show_default=True, help="Play on until so many.")
@click.option("--seed", type=int, help="Only this story.")
def main(crashes: int, seed: int | None) -> None:
    """Kill and interleave the appliers of a credit, and judge what stands in the ledger."""
    started, total, stories = time.perf_counter(), Counter[str](), 0
    if seed is not None:
        total, stories = play(seed), 1
    while seed is None and total["crashes"] < crashes:
        total += play(stories)
        stories += 1
    took = time.perf_counter() - started
    click.echo(", ".join(f"{name} {count:,}" for name, count in sorted(total.items())))
    click.echo(f"{stories:,} interleavings, {total['crashes']:,} crashes, {total['steps']:,} steps, in {took:,.0f} s")


if __name__ == "__main__":
    main()
