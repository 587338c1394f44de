"""A credit is written exactly once, whatever dies on the way and whoever else writes.

`BILLING_DQ_TEST_CRASH_POINTS` sets the number of seeded points at which the applying process is killed (40 by default);
a longer run is `BILLING_DQ_TEST_CRASH_POINTS=1000 pytest tests/credits/test_interruption.py`. For every twenty of
them there is one at which the server is killed as well.
"""

import multiprocessing
import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bson import ObjectId
from pymongo import MongoClient
from pymongo.database import Database

from billing_dq.credits.audit import AuditLog
from billing_dq.credits.verification import compare
from billing_dq.errors import TransientSourceError
from billing_dq.settings import Settings
from billing_dq.sources.mongodb.organization_ledger import OrganizationReader
from billing_dq_simulation.embedded import embedded_mongodb
from tests.support import small_world as world

Document = dict[str, object]
POINTS = int(os.environ.get("BILLING_DQ_TEST_CRASH_POINTS", "40"))
#: Steps that the observer hears in a request that nothing interrupts.
STEPS = 13
PREFIX = "dispute_reinstate_"


@pytest.fixture(scope="module")
def children() -> multiprocessing.context.ForkServerContext:
    """Processes that start fast: forked from one that has imported everything and has no threads."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["billing_dq.credits.apply", "billing_dq.sources.mongodb.organization_ledger"])
    return context


def assert_credited_once(database: Database[Document], settings: Settings) -> None:
    (written,) = world.credits_in(database)
    assert written["amount"] == world.CLAWBACK
    assert world.gap(database) == 0
    records = AuditLog(Path(settings.home) / "credits").read().records
    entries = OrganizationReader(settings, database).credits(PREFIX)
    assert [one for one in compare(records, entries, PREFIX) if one.is_fault] == []
    assert [record.facts["entry_id"] for record in records if record.kind == "verified"] == [str(written["_id"])]


def test_the_steps_that_can_be_killed_are_all_there_are(
    mongodb_uri: str, database: Database[Document], tmp_path: Path
) -> None:
    world.disputed_pack(database)
    steps: list[str] = []
    world.apply_once(world.settings_for(mongodb_uri, database.name, tmp_path), steps.append)
    assert len(steps) == STEPS
    assert steps[0] == "plan"
    assert steps[-1] == "recorded:verified"


def test_killed_at_any_step_a_second_run_completes_the_credit(
    mongodb_uri: str,
    database: Database[Document],
    tmp_path: Path,
    children: multiprocessing.context.ForkServerContext,
) -> None:
    world.disputed_pack(database)
    fresh = database.billingextrabalances.find_one({})
    assert fresh is not None
    for point in range(POINTS):
        database.billingextrabalances.replace_one({"_id": fresh["_id"]}, fresh)
        settings = world.settings_for(mongodb_uri, database.name, tmp_path / str(point))
        chance = random.Random(point)
        for step in [point % STEPS, *[chance.randrange(STEPS) for _ in range(chance.randrange(3))]]:
            child = children.Process(
                target=world.apply_and_die, args=(mongodb_uri, database.name, settings.home, step, None)
            )
            child.start()
            child.join()
            if chance.random() < 0.3:
                tear(settings, chance)
        world.apply_once(settings)
        assert_credited_once(database, settings)


def tear(settings: Settings, chance: random.Random) -> None:
    """A last line that the disk had only a part of: one that was never acknowledged."""
    path = Path(settings.home) / "credits" / "audit.jsonl"
    if path.exists():
        with path.open("ab") as file:
            file.write(b'{"actor":"anna","at":"2026-11-2'[: chance.randrange(1, 30)])


def test_killed_together_with_the_server_a_second_run_completes_the_credit(
    tmp_path: Path, children: multiprocessing.context.ForkServerContext
) -> None:
    data = tmp_path / "mongodb"
    for point in range(max(3, POINTS // 20)):
        home = tmp_path / f"home-{point}"
        step = point % STEPS if point >= 3 else (7, 8, 10)[point]
        with embedded_mongodb(data) as server:
            # the setting up must survive the kill as well
            with MongoClient[Document](server.uri, w="majority", journal=True) as client:
                client.drop_database("app")
                world.disputed_pack(client["app"])
            child = children.Process(
                target=world.apply_and_die, args=(server.uri, "app", str(home), step, server.process.pid)
            )
            child.start()
            child.join()
        with embedded_mongodb(data) as server, MongoClient[Document](server.uri) as client:
            settings = world.settings_for(server.uri, "app", home)
            world.apply_once(settings)
            assert_credited_once(client["app"], settings)


@pytest.mark.parametrize("shared", [True, False], ids=["one home", "a home each"])
def test_sixteen_appliers_and_a_credit_by_hand_never_give_more_than_the_clawback(
    mongodb_uri: str,
    database: Database[Document],
    tmp_path: Path,
    children: multiprocessing.context.ForkServerContext,
    shared: bool,
) -> None:
    world.disputed_pack(database)
    homes = [tmp_path / ("home" if shared else f"home-{number}") for number in range(16)]
    processes = [
        children.Process(target=world.apply_in_child, args=(mongodb_uri, database.name, str(home))) for home in homes
    ]
    for number, process in enumerate(processes):
        process.start()
        if number == 8:
            world.push(database, world.entry("adjustment", 1000, "dispute-credit-1"))
            world.push(database, world.entry("debit", -3, "65a000000000000000000009:initial"))
    for process in processes:
        process.join()
    balance = database.billingextrabalances.find_one({})
    assert balance is not None
    ours = [one["amount"] for one in world.credits_in(database)]
    assert ours in ([5000], [6000])
    by_hand_came_first = ours == [5000]
    refs = [one.get("refId") for one in balance["ledger"]]
    assert by_hand_came_first == (refs.index("dispute-credit-1") < refs.index(world.REF))
    assert world.gap(database) == 0
    if shared:
        records = AuditLog(homes[0] / "credits").read().records
        assert [record.kind for record in records].count("verified") >= 1


@contextmanager
def swallowing_proxy(port: int, swallow_after: threading.Event) -> Iterator[str]:
    """A loopback proxy that passes everything on, but drops what the server answers once the event is set."""
    listener = socket.create_server(("127.0.0.1", 0))
    sockets: list[socket.socket] = [listener]

    def pump(source: socket.socket, target: socket.socket, answers: bool) -> None:
        try:
            while data := source.recv(65536):
                if not (answers and swallow_after.is_set()):
                    target.sendall(data)
        except OSError:
            pass

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", port))
            except OSError:
                return
            sockets.extend((client, server))
            threading.Thread(target=pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=pump, args=(server, client, True), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"mongodb://127.0.0.1:{listener.getsockname()[1]}/?directConnection=true"
    finally:
        for one in sockets:
            one.close()


@pytest.mark.parametrize("answers_again", [True, False], ids=["then it answers", "it stays silent"])
def test_a_time_out_after_the_server_applied_the_write_makes_no_second_entry(
    mongodb_uri: str, database: Database[Document], tmp_path: Path, answers_again: bool
) -> None:
    world.disputed_pack(database)
    silent = threading.Event()
    with MongoClient[Document](mongodb_uri) as client:
        port = client.address[1] if client.address else 27017

    def observer(step: str) -> None:
        if step == "write":
            silent.set()
        if step == "wrote:unknown" and answers_again:
            silent.clear()

    direct = world.settings_for(mongodb_uri, database.name, tmp_path)
    with swallowing_proxy(port, silent) as uri:
        settings = world.settings_for(uri, database.name, tmp_path)
        settings = settings.model_copy(update={"mongodb_connect_seconds": 60.0 if answers_again else 1.0})
        if answers_again:
            outcome = world.apply_once(settings, observer, write_seconds=5.0)
            assert (outcome.state, outcome.units) == ("credited", world.CLAWBACK)
        else:
            with pytest.raises(TransientSourceError):
                world.apply_once(settings, observer, write_seconds=1.0)
    assert len(world.credits_in(database)) == 1
    outcome = world.apply_once(direct)
    assert outcome.state == ("nothing_due" if answers_again else "credited")
    assert_credited_once(database, direct)


def test_a_write_that_lands_after_it_was_looked_up_is_found_later(
    mongodb_uri: str, database: Database[Document], tmp_path: Path
) -> None:
    """A server may carry out late what it received before the connection was lost."""
    world.disputed_pack(database)
    settings = world.settings_for(mongodb_uri, database.name, tmp_path)

    class Killed(Exception):
        pass

    def die(step: str) -> None:
        if step == "write":
            raise Killed

    for _ in range(2):  # the second finds the first one's intent open, and its entry absent
        with pytest.raises(Killed):
            world.apply_once(settings, die)
    records = AuditLog(tmp_path / "credits").read().records
    first = next(record for record in records if record.kind == "intent")
    late = {**world.entry("adjustment", 6000, world.REF), "_id": ObjectId(str(first.facts["entry_id"]))}
    world.push(database, late)
    outcome = world.apply_once(settings)
    assert (outcome.state, outcome.entry_id) == ("credited", first.facts["entry_id"])
    assert_credited_once(database, settings)
