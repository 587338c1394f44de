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
from billing_dq.units import EPSILON
from billing_dq.vocabulary.references import expiration_ref
from billing_dq.weeks import NightWeeks

_HOUR_MS = 3_600_000
#: The sweep runs once a day; a second day is for a run that failed.
_SWEEP_MS = 48 * _HOUR_MS
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
    """A credit and its units that nothing has drawn yet."""

    entry: Entry
    balance: float
    is_swept: bool = False


@dataclass(frozen=True, slots=True)
class Sweep:
    """An expiration entry: what it took, what was left of its top-up before it, and what that gave; 0 without one."""

    entry: Entry
    expired: float
    balance: float
    is_second: bool
    topup_units: float


#: A break: the rule, the entry that breaks it, signed units, and a sentence for people.
Break = tuple[str, Entry, float, str]


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
            lot = Lot(entry, entry.amount - repaid)
            lots.append(lot)
            by_sweep[expiration_ref(entry.entry_id)] = lot
            if entry.kind == "topup" and entry.stripe_session_id is not None:
                by_session.setdefault(entry.stripe_session_id, lot)
            insort(drawable, (entry.expires_at, order, lot))
            continue
        units = -entry.amount
        pack = None
        if entry.kind == "refund" and entry.stripe_session_id is not None:
            pack = by_session.get(entry.stripe_session_id)
        elif entry.kind == "expiration":
            pack = by_sweep.get(entry.ref_id)
            balance, topup_units = (pack.balance, pack.entry.amount) if pack else (0.0, 0.0)
            sweeps.append(Sweep(entry, units, balance, pack is not None and pack.is_swept, topup_units))
        if pack is not None:
            drawn = min(pack.balance, units)
            pack.balance -= drawn
            units -= drawn
            if entry.kind == "expiration":
                pack.is_swept, pack.balance = True, 0.0
        for expires_at, _, lot in drawable:
            if not units:
                break
            if expires_at > entry.at:
                drawn = min(lot.balance, units)
                lot.balance -= drawn
                units -= drawn
        uncovered += units
        drawable = [item for item in drawable if item[2].balance]
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
        excess = _excess(sweeps)
        if excess:
            without_copies = _excess(replay(_first_of_each_reference(entries))[1])
            excess = {
                entry: min(units, without_copies[entry]) for entry, units in excess.items() if entry in without_copies
            }
        breaks = (
            *_not_swept(lots, end),
            *_twice(sweeps),
            *_too_much(sweeps, excess, first),
            *_before_purchase(lots, sweeps),
        )
        rows.extend(
            {
                "organization_id": organization,
                "rule": rule,
                "entry_id": entry.entry_id,
                "ref_id": entry.ref_id,
                "units": units,
                "detail": sentence,
                "compensated_by": None,
            }
            for rule, entry, units, sentence in breaks
        )
    return LEDGER_VIOLATIONS.from_rows(rows)


def _not_swept(lots: list[Lot], end: float) -> Iterator[Break]:
    for lot in lots:
        topup = lot.entry
        if topup.kind == "topup" and topup.expires_at + _SWEEP_MS < end and not lot.is_swept:
            hours = (end - topup.expires_at) / _HOUR_MS
            sentence = (
                f"a top-up of {topup.amount:,.10g} units expired {hours:,.0f} hours ago "
                f"and has no expiration entry; {lot.balance:,.10g} units are left of it"
            )
            yield "expiry_not_swept", topup, lot.balance, sentence


def _twice(sweeps: list[Sweep]) -> Iterator[Break]:
    for sweep in sweeps:
        if sweep.is_second:
            sentence = f"the top-up was expired before; this entry takes {sweep.expired:,.10g} units once more"
            yield "expiry_twice", sweep.entry, sweep.entry.amount, sentence


def _excess(sweeps: list[Sweep]) -> dict[str, float]:
    """Units beyond what was left, by entry, of the first expiration of each top-up."""
    beyond = {sweep.entry.entry_id: sweep.expired - sweep.balance for sweep in sweeps if not sweep.is_second}
    return {entry: units for entry, units in beyond.items() if units > EPSILON}


def _too_much(sweeps: list[Sweep], excess: dict[str, float], first: float) -> Iterator[Break]:
    """Expirations of too much; those from before the instant `first` that took all of their top-up apart."""
    for sweep in sweeps:
        if not sweep.is_second and sweep.entry.entry_id in excess:
            units = excess[sweep.entry.entry_id]
            in_full = sweep.entry.at < first and abs(sweep.expired - sweep.topup_units) <= EPSILON
            sentence = (
                f"the expiration takes {sweep.expired:,.10g} units of a top-up "
                f"that had {sweep.expired - units:,.10g} left: {units:,.10g} too many"
            )
            yield "expiry_in_full" if in_full else "expiry_too_much", sweep.entry, -units, sentence


def _before_purchase(lots: list[Lot], sweeps: list[Sweep]) -> Iterator[Break]:
    """Bought packs that were over before they began: seconds written where milliseconds belong, or a wrong year."""
    first_sweeps = {sweep.entry.ref_id: sweep for sweep in sweeps if not sweep.is_second}
    for lot in lots:
        pack = lot.entry
        if pack.kind != "topup" or pack.stripe_session_id is None or pack.expires_at > pack.at:
            continue
        sweep = first_sweeps.get(expiration_ref(pack.entry_id))
        expired = sweep.expired if sweep else 0.0
        sentence = (
            f"the pack of {pack.amount:,.10g} units expired {(pack.at - pack.expires_at) / (24 * _HOUR_MS):,.0f} "
            f"days before it was bought, and its expiration took {expired:,.10g}"
        )
        yield "expiry_before_purchase", sweep.entry if sweep else pack, -expired, sentence


def _first_of_each_reference(entries: list[Entry]) -> list[Entry]:
    # an entry without a reference repeats none: its place tells it from all others
    firsts: dict[str | int, Entry] = {}
    for place, entry in enumerate(entries):
        firsts.setdefault(place if entry.ref_id is None else entry.ref_id, entry)
    return list(firsts.values())


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
