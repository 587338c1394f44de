"""Balance documents as the tables of a night: sums over whole ledgers, the night's entries, and the entries that break
a rule of single entries, or that a dispute, a purchase or an expiry needs.
"""

import numpy as np
import pyarrow as pa

from billing_dq.sources.mongodb import bson_types as bson
from billing_dq.sources.mongodb.arrow_columns import Columns, hex_array
from billing_dq.sources.mongodb.contract_table import milliseconds
from billing_dq.sources.mongodb.entry_rules import (
    ADJUSTMENT,
    KINDS,
    REFUND,
    TOPUP,
    EntryColumns,
    broken_rules,
    swept_or_late,
)
from billing_dq.sources.mongodb.judged import Mask, Rows, Words
from billing_dq.sources.mongodb.texts import repeated, starts_with
from billing_dq.sources.mongodb.usage import items_of
from billing_dq.sources.mongodb.walker import Cells
from billing_dq.storage.lake import arrow_schema, arrow_table
from billing_dq.tables import (
    DISPUTE_ENTRIES,
    EXPIRING_LEDGERS,
    EXTRAS_BALANCES,
    LEDGER_ENTRIES,
    LEDGER_SUSPECTS,
    PACK_PURCHASES,
    Table,
)
from billing_dq.weeks import NightWeeks

_KINDS = Words(KINDS)
#: What the references of a dispute's clawback and of a dispute's credit start with.
_CLAWBACKS = ("refund-dispute_", "dispute_")
_CREDITS = ("dispute-credit-", "dispute_reinstate_")


def ledger_tables(rows: Rows, chosen: np.ndarray, night: NightWeeks) -> dict[str, pa.Table]:
    """The tables, by name, that the chosen balance documents, all of them sound, come to."""
    ledger = _Ledger(rows, chosen)
    facts, as_of = ledger.facts, night.as_of
    first, until = milliseconds(night.entries_from), milliseconds(night.entries_until)
    suspects = broken_rules(facts, as_of)
    suspects["duplicate_ref"] = ledger.repeats("refId")
    suspects["duplicate_session"] = ledger.repeats("stripeSessionId", among=facts.kinds == TOPUP)
    with_expiry = ledger.whole(swept_or_late(facts, as_of))
    return {
        EXTRAS_BALANCES.name: ledger.balances(),
        LEDGER_ENTRIES.name: ledger.table(LEDGER_ENTRIES, (facts.at >= first) & (facts.at < until)),
        EXPIRING_LEDGERS.name: ledger.table(EXPIRING_LEDGERS, with_expiry),
        LEDGER_SUSPECTS.name: pa.concat_tables([ledger.suspects(rule, mask) for rule, mask in suspects.items()]),
        DISPUTE_ENTRIES.name: ledger.table(DISPUTE_ENTRIES, ledger.naming_a_dispute()),
        PACK_PURCHASES.name: ledger.table(PACK_PURCHASES, ledger.bought()),
    }


class _Ledger:
    """The entries of the chosen documents, in document and commit order."""

    def __init__(self, rows: Rows, chosen: np.ndarray) -> None:
        self._rows = rows
        self._chosen = chosen
        self._entries = rows.objects["ledger"]
        ends, self._taken = items_of(rows.lists["ledger"], chosen)
        self._ends = ends.astype(np.int64)
        self._counts = np.diff(self._ends)
        self._document = np.repeat(np.arange(len(chosen)), self._counts)
        self._organizations = hex_array(rows.buffer, rows.cells("organization").values[chosen])
        self.facts = self._facts()

    def balances(self) -> pa.Table:
        """`extras_balances`."""
        documents = Columns(self._rows, self._chosen)
        total = np.bincount(self._document, self.facts.amounts, len(self._chosen))
        sizes = np.diff(np.append(self._rows.starts, len(self._rows.buffer)))[self._chosen]
        columns = [self._organizations, documents.numbers("cachedBalance"), total, self._counts]
        return arrow_table(EXTRAS_BALANCES, [*columns, sizes, documents.times("cachedBalanceAt")])

    def table(self, table: Table, mask: Mask) -> pa.Table:
        """The entries of a mask, with the columns of a table."""
        return self._cut(table, np.flatnonzero(mask), None)

    def suspects(self, rule: str, mask: Mask) -> pa.Table:
        """The entries of a mask as those that break a rule."""
        return self._cut(LEDGER_SUSPECTS, np.flatnonzero(mask), rule)

    def whole(self, mask: Mask) -> Mask:
        """The entries of all ledgers that have one of a mask."""
        with_one = np.bincount(self._document[mask], minlength=len(self._chosen)) > 0
        return with_one[self._document]

    def repeats(self, field: str, among: Mask | None = None) -> Mask:
        """The entries whose text in a field, not empty, an earlier one of the same ledger (and mask) has."""
        kinds, places, sizes = self._cells(field)
        if among is not None:
            kinds = np.where(among, kinds, np.uint8(bson.ABSENT))
        return repeated(self._rows.buffer, Cells(kinds, places, sizes), self._ends)

    def bought(self) -> Mask:
        """The top-ups that were bought in a checkout session."""
        return (self.facts.kinds == TOPUP) & _not_empty(self._cells("stripeSessionId"))

    def naming_a_dispute(self) -> Mask:
        """Clawbacks and reinstatements of disputes, and credits given by hand."""
        kinds = self.facts.kinds
        return ((kinds == REFUND) & self._starts("refId", _CLAWBACKS)) | (
            (kinds == ADJUSTMENT) & self._starts("refId", _CREDITS)
        )

    def _facts(self) -> EntryColumns:
        expires = self._cells("expiresAt")
        return EntryColumns(
            kinds=_KINDS.codes(self._rows.buffer, self._cells("kind")),
            amounts=self._cells("amount").values.view(np.float64),
            referenced=_not_empty(self._cells("refId")),
            at=self._cells("at").values,
            expires=expires.kinds == bson.DATE,
            expires_at=expires.values,
        )

    def _cut(self, table: Table, places: np.ndarray, rule: str | None) -> pa.Table:
        columns = Columns(self._entries, self._taken[places])
        made = {
            "organization_id": lambda: self._organizations.take(pa.array(self._document[places])),
            "position": lambda: pa.array(places - self._ends[self._document[places]]),
            "rule": lambda: pa.repeat(pa.scalar(rule, pa.string()), len(places)),
            "entry_id": lambda: columns.ids("_id"),
            "kind": lambda: columns.text("kind"),
            "amount": lambda: columns.numbers("amount"),
            "ref_id": lambda: columns.text("refId"),
            "stripe_session_id": lambda: columns.text("stripeSessionId"),
            "source": lambda: columns.text("source"),
            "at": lambda: columns.times("at"),
            "expires_at": lambda: columns.times("expiresAt"),
        }
        return pa.table([made[name]() for name in table.column_names], schema=arrow_schema(table))

    def _starts(self, field: str, prefixes: tuple[str, ...]) -> Mask:
        cells = self._cells(field)
        found = [starts_with(self._rows.buffer, cells, np.frombuffer(one.encode(), np.uint8)) for one in prefixes]
        return np.logical_or.reduce(found)

    def _cells(self, field: str) -> Cells:
        return Cells(*(part[self._taken] for part in self._entries.cells(field)))


def _not_empty(cells: Cells) -> Mask:
    return np.isin(cells.kinds, (bson.TEXT, bson.SYMBOL)) & (cells.sizes > 0)
