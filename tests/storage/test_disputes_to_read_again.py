"""Which disputes stay under watch, whatever the look-back."""

from pathlib import Path

import pytest
from upath import UPath

from billing_dq.storage.arrow import to_arrow
from billing_dq.storage.history import disputes_to_read_again
from billing_dq.storage.lake import Lake
from billing_dq.storage.stored_table import TableWriter
from billing_dq.tables import DISPUTE_POSITIONS, STRIPE_DISPUTES, Table
from tests.support.dispute_rows import World, clawback, dispute, moved, own_credit

WON, LOST = [moved(-500), moved(500, 21)], [moved(-500)]


def store(home: Path, night: str, world: World) -> None:
    tables = (STRIPE_DISPUTES, STRIPE_DISPUTES.from_rows(world.disputes)), (DISPUTE_POSITIONS, world.judged().positions)
    for table, frame in tables:
        path = path_of(home, table, night)
        path.parent.mkdir(parents=True, exist_ok=True)
        with TableWriter(table, UPath(path)) as writer:
            writer.write(to_arrow(table, frame))


def path_of(home: Path, table: Table, night: str) -> Path:
    return home / "lake" / table.name / f"{night}.parquet"


def watched(home: Path, world: World) -> bool:
    store(home, "2026-11-21", world)
    return disputes_to_read_again(Lake(str(home)), "2026-11-22") == ["du_1"]


@pytest.mark.parametrize(
    ("status", "movements", "entries", "expected"),
    [
        ("won", LOST, [clawback()], True),  # the money may come after the look-back
        ("won", LOST, [], True),
        ("won", [], [clawback()], True),
        ("won", [moved(-500), moved(250, 21)], [clawback(), own_credit(units=3000)], True),
        ("won", WON, [clawback()], True),  # due
        ("won", WON, [clawback(), own_credit()], False),
        ("won", [], [], False),
        ("lost", LOST, [clawback()], False),
        ("lost", WON, [clawback()], True),  # parked
        ("lost", WON, [clawback(), own_credit()], False),
        ("warning_closed", [], [], False),
        ("prevented", [], [], False),
        ("under_review", WON, [clawback()], True),
        ("appeal_under_review", WON, [clawback(), own_credit()], True),
        ("hibernating", [], [], True),
    ],
)
def test_a_dispute_is_read_again_while_money_may_move(
    tmp_path: Path,
    status: str,
    movements: list[dict[str, object]],
    entries: list[dict[str, object]],
    expected: bool,
) -> None:
    one = dispute(status=status) | {"movements": movements}
    assert watched(tmp_path, World([one], entries)) is expected


def test_only_the_newest_earlier_night_counts(tmp_path: Path) -> None:
    store(tmp_path, "2026-11-20", World([dispute("du_1", *LOST)], [clawback()]))
    store(tmp_path, "2026-11-21", World([dispute("du_1")], [clawback(), own_credit()]))
    store(tmp_path, "2026-11-22", World([dispute("du_1", *LOST)], [clawback()]))
    assert disputes_to_read_again(Lake(str(tmp_path)), "2026-11-22") == []
    assert disputes_to_read_again(Lake(str(tmp_path)), "2026-11-20") == []
