"""Expiry of packs and grants: a replay of the ledger's lots, and whether each expired one was swept once, and rightly.

The rules are those of docs/domain.md, "Ledger" and "What is left of a credit". What is *left* of a top-up is what
neither debts of before it nor draws while it was live took; a balance below zero takes nothing from it, because what
was spent after its end was spent without it. Units of violations are signed as money is: positive is owed to us,
negative to the customer.
"""

from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import pandas as pd

from billing_dq.tables import LEDGER_VIOLATIONS
from billing_dq.vocabulary.references import expiration_ref
from billing_dq.weeks import NightWeeks

SWEEP_HOURS = 48
#: Amounts are doubles; whole units are exact, and parts of units differ by rounding only.
ROUNDING = 1e-6
_SWEEP_MS = SWEEP_HOURS * 3_600_000
_NEVER = float("inf")


class Entry(NamedTuple):
    """A ledger entry as the replay needs it; instants are milliseconds since 1970, `expires_at` may be infinite."""

    entry_id: str
    kind: str
    amount: float
    ref_id: str | None
    stripe_session_id: str | None
    at: float
    expires_at: float


@dataclass(slots=True)
class Lot:
    """A credit and what is left of it; `order` is its place in the ledger."""

    entry: Entry
    order: int
    left: float
    expires_at: float
    is_swept: bool = False


@dataclass(frozen=True, slots=True)
class Sweep:
    """An expiration entry: what it took, and what was left of its top-up before it."""

    entry: Entry
    taken: float
    left: float
    is_second: bool
    #: what its top-up gave, 0 where it names none
    given: float


def replay(entries: Iterable[Entry]) -> tuple[list[Lot], list[Sweep]]:
    """Replay one ledger in commit order.

    A top-up or adjustment first repays what was spent without any credit. A draw takes from the live credit that
    expires first (the oldest among equals, those without expiry last); what no live credit covers is spent without
    credit. A refund takes from its own pack first, an expiration from its own top-up, which it closes.
    """
    lots: list[Lot] = []
    by_sweep: dict[str | None, Lot] = {}
    by_session: dict[str, Lot] = {}
    sweeps: list[Sweep] = []
    #: (expiry, order, lot) of the credits that something is left of, in the order in which they are drawn on
    drawable: list[tuple[float, int, Lot]] = []
    uncovered = 0.0
    # Each entry depends on what all entries before it left: a loop.
    for order, entry in enumerate(entries):
        if entry.amount > 0:
            if entry.kind not in ("topup", "adjustment"):
                continue  # of a wrong sign, a violation of its own: it gives nothing
            repaid = min(uncovered, entry.amount)
            uncovered -= repaid
            lot = Lot(entry, order, entry.amount - repaid, entry.expires_at)
            lots.append(lot)
            by_sweep[expiration_ref(entry.entry_id)] = lot
            if entry.kind == "topup" and entry.stripe_session_id is not None:
                by_session.setdefault(entry.stripe_session_id, lot)
            insort(drawable, (lot.expires_at, order, lot))
            continue
        wanted = -entry.amount
        own = None
        if entry.kind == "refund" and entry.stripe_session_id is not None:
            own = by_session.get(entry.stripe_session_id)
        elif entry.kind == "expiration":
            own = by_sweep.get(entry.ref_id)
            left, given = (own.left, own.entry.amount) if own else (0.0, 0.0)
            sweeps.append(Sweep(entry, wanted, left, own is not None and own.is_swept, given))
        if own is not None:
            taken = min(own.left, wanted)
            own.left -= taken
            wanted -= taken
            if entry.kind == "expiration":
                own.is_swept = True
                own.left = 0.0
        for expires_at, _, lot in drawable:
            if not wanted:
                break
            if expires_at > entry.at:
                taken = min(lot.left, wanted)
                lot.left -= taken
                wanted -= taken
        uncovered += wanted
        drawable = [item for item in drawable if item[2].left]
    return lots, sweeps


def expiry_violations(ledgers: pd.DataFrame, night: NightWeeks) -> pd.DataFrame:
    """The breaks of expiry, in `LEDGER_VIOLATIONS`.

    Args:
        ledgers: `EXPIRING_LEDGERS`: whole ledgers, in organization and commit order.
        night: the night's weeks; its instant is that of the snapshot.

    Returns:
        - `expiry_not_swept`: a top-up more than 48 hours past its expiry without an expiration entry; units are what
          is left of it (0 where all is spent: a zero marks a fully spent pack), the entry is the top-up.
        - `expiry_twice`: every expiration of a top-up after the first; units are its amount.
        - `expiry_too_much`: an expiration that took more than was left, or names no top-up; units are the excess,
          negative. Entries of a repeated refId are a break of their own: the excess is what remains without them, too.
        - `expiry_in_full`: the same, of an entry older than the night's weeks that took all that its top-up ever gave.
          Old versions of the application expired packs so, and their entries were left (docs/domain.md, "Packs, grants,
          expiry and refunds"); no present defect is told by it.
        - `expiry_before_purchase`: a bought pack whose expiry is no later than its purchase; units are what its
          expiration took, and the entry is that one (0 and the top-up where it was not swept).
    """
    end = night.as_of.timestamp() * 1000
    first = night.weeks[0].start.timestamp() * 1000
    rows: list[dict[str, object]] = []
    for organization, entries in _by_organization(ledgers):
        lots, sweeps = replay(entries)
        rows += (dict(row, organization_id=organization) for row in _not_swept(lots, end))
        rows += (dict(row, organization_id=organization) for row in _twice(sweeps))
        excess = _excess(sweeps)
        if excess:
            without_copies = _excess(replay(_first_of_each_reference(entries))[1])
            excess = {
                entry: min(units, without_copies[entry]) for entry, units in excess.items() if entry in without_copies
            }
        rows += (dict(row, organization_id=organization) for row in _too_much(sweeps, excess, first))
        rows += (dict(row, organization_id=organization) for row in _before_purchase(lots, sweeps))
    return LEDGER_VIOLATIONS.from_rows(dict(row, compensated_by=None) for row in rows)


def _not_swept(lots: list[Lot], end: float) -> Iterator[dict[str, object]]:
    for lot in lots:
        if lot.entry.kind == "topup" and lot.expires_at + _SWEEP_MS < end and not lot.is_swept:
            hours = (end - lot.expires_at) / 3_600_000
            yield {
                "rule": "expiry_not_swept",
                "entry_id": lot.entry.entry_id,
                "ref_id": lot.entry.ref_id,
                "units": lot.left,
                "detail": f"a top-up of {lot.entry.amount:,.10g} units expired {hours:,.0f} hours ago "
                f"and has no expiration entry; {lot.left:,.10g} units are left of it",
            }


def _twice(sweeps: list[Sweep]) -> Iterator[dict[str, object]]:
    for sweep in sweeps:
        if sweep.is_second:
            yield {
                "rule": "expiry_twice",
                "entry_id": sweep.entry.entry_id,
                "ref_id": sweep.entry.ref_id,
                "units": sweep.entry.amount,
                "detail": f"the top-up was expired before; this entry takes {sweep.taken:,.10g} units once more",
            }


def _excess(sweeps: list[Sweep]) -> dict[str, float]:
    """Units beyond what was left, by entry, of the first expiration of each top-up."""
    beyond = {sweep.entry.entry_id: sweep.taken - sweep.left for sweep in sweeps if not sweep.is_second}
    return {entry: units for entry, units in beyond.items() if units > ROUNDING}


def _too_much(sweeps: list[Sweep], excess: dict[str, float], first: float) -> Iterator[dict[str, object]]:
    """Expirations of too much; those from before the instant `first` that took all of their top-up apart."""
    for sweep in sweeps:
        if not sweep.is_second and sweep.entry.entry_id in excess:
            units = excess[sweep.entry.entry_id]
            in_full = sweep.entry.at < first and abs(sweep.taken - sweep.given) <= ROUNDING
            yield {
                "rule": "expiry_in_full" if in_full else "expiry_too_much",
                "entry_id": sweep.entry.entry_id,
                "ref_id": sweep.entry.ref_id,
                "units": -units,
                "detail": f"the expiration takes {sweep.taken:,.10g} units of a top-up "
                f"that had {sweep.taken - units:,.10g} left: {units:,.10g} too many",
            }


def _before_purchase(lots: list[Lot], sweeps: list[Sweep]) -> Iterator[dict[str, object]]:
    """Bought packs that were over before they began: seconds written where milliseconds belong, or a wrong year."""
    first_sweeps = {sweep.entry.ref_id: sweep for sweep in sweeps if not sweep.is_second}
    for lot in lots:
        pack = lot.entry
        if pack.kind != "topup" or pack.stripe_session_id is None or pack.expires_at > pack.at:
            continue
        sweep = first_sweeps.get(expiration_ref(pack.entry_id))
        taken = sweep.taken if sweep else 0.0
        yield {
            "rule": "expiry_before_purchase",
            "entry_id": sweep.entry.entry_id if sweep else pack.entry_id,
            "ref_id": sweep.entry.ref_id if sweep else pack.ref_id,
            "units": -taken,
            "detail": f"the pack of {pack.amount:,.10g} units expired {(pack.at - pack.expires_at) / 86_400_000:,.0f} "
            f"days before it was bought, and its expiration took {taken:,.10g}",
        }


def _first_of_each_reference(entries: list[Entry]) -> list[Entry]:
    seen: set[str] = set()
    firsts: list[Entry] = []
    for entry in entries:
        if entry.ref_id is None or entry.ref_id not in seen:
            firsts.append(entry)
        if entry.ref_id is not None:
            seen.add(entry.ref_id)
    return firsts


def _by_organization(ledgers: pd.DataFrame) -> Iterator[tuple[str, list[Entry]]]:
    """Each organization's entries, in commit order."""
    ordered = ledgers.sort_values(["organization_id", "position"])
    entries = list(
        map(
            Entry,
            ordered["entry_id"].astype("object"),
            ordered["kind"].astype("object"),
            ordered["amount"].tolist(),
            _texts(ordered["ref_id"]),
            _texts(ordered["stripe_session_id"]),
            _milliseconds(ordered["at"]),
            _milliseconds(ordered["expires_at"]),
        )
    )
    organizations = ordered["organization_id"].to_numpy()
    starts = [0, *((organizations[1:] != organizations[:-1]).nonzero()[0] + 1).tolist(), len(entries)]
    for start, stop in pairwise(starts):
        if start < stop:
            yield str(organizations[start]), entries[start:stop]


def _texts(column: pd.Series) -> list[str | None]:
    return column.astype("object").where(column.notna(), None).tolist()


def _milliseconds(column: pd.Series) -> list[float]:
    """Milliseconds since 1970; a null is never."""
    numbers = column.astype("datetime64[ms, UTC]").to_numpy("datetime64[ms]").astype("float64")
    return pd.Series(numbers, index=column.index).where(column.notna(), _NEVER).tolist()
