"""Matching of attribution keys and debits, entry by entry, for every organization and week of a batch.

docs/causes.md, "Match by key first, by time second": a debit belongs to the week whose document holds its key; its `at`
decides only where no document does.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from billing_dq.reconcile.meter.context import Booleans
from billing_dq.reconcile.meter.organization_weeks import Codes, OrganizationWeeks, milliseconds
from billing_dq.units import Floats
from billing_dq.vocabulary.references import SETTLEMENT


@dataclass(frozen=True)
class Debits:
    """The debits of a batch in commit order; `codes` of their references are shared with the keys'.

    Attributes:
        at: milliseconds since 1970.
        cells: by `at`; -1 outside the index.
        owners: cell of the document that holds the key; -1 where none does, and for copies.
        copies: whether an earlier debit has the same reference.
        entries: LEDGER_ENTRIES, and ``rows`` the position of each debit among them.
    """

    amounts: Floats
    at: Codes
    cells: Codes
    owners: Codes
    copies: Booleans
    entries: pd.DataFrame
    rows: Codes

    def texts(self, places: Codes) -> tuple[list[str | None], list[str]]:
        """The references and the entry ids of the debits at these places: text is made of those that are told of."""
        entries = self.entries[["ref_id", "entry_id"]].iloc[self.rows[places]]
        return [ref if isinstance(ref, str) else None for ref in entries["ref_id"]], entries["entry_id"].tolist()


@dataclass(frozen=True)
class Keys:
    """The keys of a batch's usage documents.

    Attributes:
        cells: of their documents; -1 outside the index.
        settlements: whether one is a settlement, not usage.
        debits: place of the debit that is matched to the key in this document; -1 where none is.
        replays: whether another week's document is the one that the key's debit belongs to.
    """

    texts: pd.Series
    cells: Codes
    settlements: Booleans
    debits: Codes
    replays: Booleans


@dataclass(frozen=True)
class Settlements:
    """The ledger's settlements by cell of the week that they name: units, whether there is one, newest `at` in ms."""

    units: Floats
    present: Booleans
    at: Codes


def match(
    index: OrganizationWeeks, keys: pd.DataFrame, usage_cells: Codes, entries: pd.DataFrame, organizations: Codes
) -> tuple[Keys, Debits]:
    """Match the keys with the debits.

    Args:
        index: of the batch.
        keys: ``row`` (position of a usage row) and ``key``.
        usage_cells: cells of the usage rows.
        entries: LEDGER_ENTRIES, of which the debits are matched.
        organizations: organization codes of the entries.
    """
    from billing_dq.loops.text_codes import pair_codes  # numba costs half a second: only who matches pays

    rows = _debits_in_commit_order(entries, organizations)
    key_cells = usage_cells[keys["row"].to_numpy()]
    settlements = keys["key"].str.startswith(SETTLEMENT).to_numpy()
    key_codes, entry_codes = pair_codes(
        (keys["key"], entries["ref_id"]), (key_cells // len(index.weeks), organizations)
    )
    codes = np.concatenate([key_codes, entry_codes])
    debit_codes, organizations = entry_codes[rows], organizations[rows]
    at = milliseconds(entries["at"])[rows]
    at_cells = index.of(organizations, index.weeks_of_instants(at))
    usable = ~settlements & (key_cells >= 0)

    holder = _last_by_code(codes, key_codes[usable], key_cells[usable])
    first = _last_by_code(codes, debit_codes[::-1], np.arange(len(rows))[::-1])
    copies = (debit_codes >= 0) & (first[debit_codes] != np.arange(len(rows)))
    owners = np.where((debit_codes >= 0) & ~copies, holder[debit_codes], -1)
    replays = np.zeros(len(keys), dtype=bool)
    _settle_replays(key_codes, key_cells, usable, first, owners, at_cells, replays)

    candidate = np.where(usable, first[key_codes], -1)
    is_paid = (candidate >= 0) & (owners[candidate] == key_cells) if len(rows) else np.zeros(len(keys), dtype=bool)
    return (
        Keys(keys["key"], key_cells, settlements, np.where(is_paid, candidate, -1), replays),
        Debits(np.abs(entries["amount"].to_numpy()[rows]), at, at_cells, owners, copies, entries, rows),
    )


def _debits_in_commit_order(entries: pd.DataFrame, organizations: Codes) -> Codes:
    """The positions of the debits among the entries, by organization and commit."""
    rows = np.flatnonzero((entries["kind"] == "debit").to_numpy(dtype=bool))
    owners, positions = organizations[rows], entries["position"].to_numpy()[rows]
    step, further = np.diff(owners), np.diff(positions) >= 0
    if ((step > 0) | ((step == 0) & further)).all():  # so batches come
        return rows
    return rows[np.lexsort((positions, owners))]


def ledger_settlements(
    index: OrganizationWeeks, entries: pd.DataFrame, organizations: Codes, instants: Codes
) -> Settlements:
    """The adjustments ``settle:<week>`` of a batch; `instants` are the entries' `at` in milliseconds."""
    chosen = ((entries["kind"] == "adjustment") & entries["ref_id"].str.startswith(SETTLEMENT)).to_numpy()
    weeks = index.week_codes(entries["ref_id"][chosen].str.removeprefix(SETTLEMENT))
    cells = index.of(organizations[chosen], weeks)
    newest = np.zeros(index.size, dtype=np.int64)
    inside = cells >= 0
    np.maximum.at(newest, cells[inside], instants[chosen][inside])
    return Settlements(index.sums(cells, entries["amount"].to_numpy()[chosen]), index.any(cells), newest)


def _last_by_code(all_codes: Codes, codes: Codes, values: Codes) -> Codes:
    """The last value given for each code; -1 where none is, and at the end, where the code -1 looks."""
    table = np.full(int(all_codes.max(initial=-1)) + 2, -1, dtype=np.int64)
    table[codes] = values
    table[-1] = -1
    return table


def _settle_replays(
    key_codes: Codes,
    key_cells: Codes,
    usable: Booleans,
    first: Codes,
    owners: Codes,
    at_cells: Codes,
    replays: Booleans,
) -> None:
    """Decide for keys in several places which one the debit belongs to; changes `usable`, `owners` and `replays`.

    The debit belongs to the document of the week of its `at`, else to the newest before it, else to the oldest; without
    a debit the oldest document is the original. A key that one document holds twice has its debit once. Loops: such
    keys are few, or something is very wrong.
    """
    counts = np.bincount(key_codes[usable], minlength=len(first))
    several = np.flatnonzero(usable & (counts[key_codes] > 1))
    places: dict[int, list[int]] = {}
    for place in several:
        places.setdefault(int(key_codes[place]), []).append(int(place))
    for code, places_of_key in places.items():
        weeks = sorted({int(key_cells[place]) for place in places_of_key})
        owner, debit = weeks[0], int(first[code])
        if debit >= 0:
            at = int(at_cells[debit])
            owner = max((week for week in weeks if week <= at), default=weeks[0])
            owners[debit] = owner
        unpaid = set(weeks)
        for place in places_of_key:
            week = int(key_cells[place])
            replays[place] = week != owner
            usable[place] = week in unpaid
            unpaid.discard(week)
