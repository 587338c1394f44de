"""The lines of a ledger around the entries in question, with the balance after each."""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import cast

from billing_dq.reconcile.findings.finding import number, text
from billing_dq.report.evidence.frames import NightFrames, Row
from billing_dq.report.evidence.record import Ledger, LedgerLine
from billing_dq.tables import (
    DISPUTE_ENTRIES,
    EXPIRING_LEDGERS,
    EXTRAS_BALANCES,
    FOLLOWED_ENTRIES,
    LEDGER_ENTRIES,
    LEDGER_SUSPECTS,
    PACK_PURCHASES,
    REFUND_ENTRIES,
)

#: Lines that are shown of a ledger, of them in question at most, and those around each.
LINES, MARKED, AROUND = 24, 14, 2
_PLACED = (LEDGER_ENTRIES, FOLLOWED_ENTRIES, EXPIRING_LEDGERS, LEDGER_SUSPECTS)
#: Tables that know an entry and not its place in the ledger; what kind their entries are of, where no column says it.
_UNPLACED = ((DISPUTE_ENTRIES, ""), (PACK_PURCHASES, "topup"), (REFUND_ENTRIES, "refund"))


@dataclass(frozen=True)
class Entry:
    """A ledger entry.

    Attributes:
        position: its place in the ledger, from 0; None where the night did not read it.
        units: signed.
        balance: units after it; None where the entries from there to the end, or those before it, were not all read.
    """

    position: int | None
    entry_id: str
    kind: str
    units: float
    ref_id: str | None
    session: str | None
    at: datetime
    balance: float | None = None


def entries_of(frames: NightFrames, organization: str | None) -> list[Entry]:
    """The entries of a ledger that the night read, for whatever rule, in the ledger's order; one whose place was not
    read stands by its time.
    """
    rows: dict[int, Row] = {}
    for table in _PLACED:
        for row in frames.of(table, organization):
            rows.setdefault(int(number(row, "position")), row)
    units = {position: number(rows[position], "amount") for position in sorted(rows)}
    balances = _balances(units, frames, organization)
    placed = [_entry(rows[position], "", position, balances.get(position)) for position in units]
    ids = {entry.entry_id for entry in placed}
    unplaced = {
        text(row, "entry_id"): _entry(row, kind)
        for table, kind in _UNPLACED
        for row in frames.of(table, organization)
        if row["entry_id"] not in ids
    }
    if not unplaced:
        return placed
    latest = list(accumulate((entry.at for entry in placed), max))
    ordered = [(float(place), entry) for place, entry in enumerate(placed)]
    ordered += [(bisect_right(latest, entry.at) - 0.5, entry) for entry in unplaced.values()]
    return [entry for _, entry in sorted(ordered, key=lambda pair: (pair[0], pair[1].at))]


def ledger_of(
    frames: NightFrames, organization: str, entries: Sequence[Entry], marked: Collection[Entry], near: Sequence[Entry]
) -> Ledger:
    """The lines to show.

    Args:
        frames: what the night holds.
        organization: whose ledger it is.
        entries: as `entries_of` gives them.
        marked: the entries in question.
        near: the entries to show where none is in question: the last of these; where there are none, the ledger's last.
    """
    names = {id(entry) for entry in marked}
    places = [place for place, entry in enumerate(entries) if id(entry) in names][-MARKED:]
    around = [place + step for step in range(1, AROUND + 1) for place in places]
    around += [place - step for step in range(1, AROUND + 1) for place in places]
    chosen = dict.fromkeys([*places, *(place for place in sorted(around) if 0 <= place < len(entries))])
    lines = [entries[place] for place in sorted([*chosen][:LINES])] or [*(near or entries)][-LINES:]
    balances = frames.of(EXTRAS_BALANCES, organization)
    count = int(number(balances[0], "entry_count")) if balances else None
    last = lines[-1].position if lines else None
    return Ledger(
        organization_id=organization,
        balance=number(balances[0], "cached_balance") if balances else None,
        entry_count=count,
        lines=tuple(_lines(lines, names)),
        cut_after=None if count is None or last is None else count - 1 - last,
    )


def _lines(entries: Sequence[Entry], marked: Collection[int]) -> Iterator[LedgerLine]:
    before: int | None = -1
    for entry in entries:
        cut = None if before is None or entry.position is None else entry.position - before - 1
        yield LedgerLine(
            entry.entry_id,
            entry.at,
            entry.kind,
            entry.units,
            entry.balance,
            entry.ref_id or entry.session,
            id(entry) in marked,
            cut,
        )
        before = entry.position


def _entry(row: Row, kind: str, position: int | None = None, balance: float | None = None) -> Entry:
    ref_id, session = row.get("ref_id"), row.get("stripe_session_id")
    return Entry(
        position,
        text(row, "entry_id"),
        kind or text(row, "kind"),
        number(row, "amount"),
        ref_id if isinstance(ref_id, str) else None,
        session if isinstance(session, str) else None,
        cast(datetime, row["at"]),
        balance,
    )


def _balances(units: Mapping[int, float], frames: NightFrames, organization: str | None) -> dict[int, float]:
    """By position the balance after it: backwards from the sum of the ledger, and forwards from its first entry, up to
    a gap.
    """
    balances: dict[int, float] = {}
    for document in frames.of(EXTRAS_BALANCES, organization):
        total, place = number(document, "ledger_sum"), int(number(document, "entry_count")) - 1
        while place in units:
            balances[place] = total
            total, place = total - units[place], place - 1
    total, place = 0.0, 0
    while place in units:
        total += units[place]
        balances.setdefault(place, total)
        place += 1
    return balances
