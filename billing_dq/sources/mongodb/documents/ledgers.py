"""Balance documents as the tables of a night: sums over whole ledgers, the night's entries, and the entries that a rule
of entries (docs/domain.md, "Ledger"), a dispute, a purchase, a refund or an expiry needs.
"""

# pyarrow.compute makes its functions at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.arrow_columns import Columns, hex_array
from billing_dq.sources.mongodb.bson.contract_table import milliseconds
from billing_dq.sources.mongodb.bson.judged import Mask, Rows, Words
from billing_dq.sources.mongodb.bson.texts import repeated, starts_with
from billing_dq.sources.mongodb.bson.walker import Cells
from billing_dq.sources.mongodb.documents.entry_choices import (
    DEBIT,
    TOPUP,
    EntryColumns,
    naming_a_dispute,
    of_refunds,
    purchases,
    suspected,
    swept_or_late,
)
from billing_dq.sources.mongodb.documents.seals import EntryCells, digests
from billing_dq.sources.mongodb.documents.usage import items_of
from billing_dq.storage.arrow import arrow_schema, arrow_table
from billing_dq.storage.followed import Followed
from billing_dq.tables import (
    DISPUTE_ENTRIES,
    EXPIRING_LEDGERS,
    EXTRAS_BALANCES,
    FOLLOWED_ENTRIES,
    LEDGER_ENTRIES,
    LEDGER_SEALS,
    LEDGER_SUSPECTS,
    PACK_PURCHASES,
    REFUND_ENTRIES,
    Table,
)
from billing_dq.vocabulary.references import REFERRAL_GRANT, SETTLEMENT, SIGNUP_GRANT
from billing_dq.vocabulary.statuses import ENTRY_KINDS
from billing_dq.weeks import NightWeeks

_KINDS = Words(ENTRY_KINDS)
_SETTLE = np.frombuffer(SETTLEMENT.encode(), dtype=np.uint8)
_GRANTS = [np.frombuffer(prefix.encode(), dtype=np.uint8) for prefix in (SIGNUP_GRANT, REFERRAL_GRANT)]


def ledger_tables(rows: Rows, chosen: np.ndarray, night: NightWeeks, followed: Followed) -> dict[str, pa.Table]:
    """The tables, by name, that the chosen balance documents, all of them sound, come to."""
    ledger = _Ledger(rows, chosen)
    facts, as_of = ledger.facts, night.as_of
    first, until = milliseconds(night.entries_from), milliseconds(night.entries_until)
    again = ledger.repeats("refId") | ledger.repeats("stripeSessionId", among=facts.kinds == TOPUP)
    with_expiry = ledger.whole(swept_or_late(facts, as_of))
    no_debits = ledger.table(LEDGER_ENTRIES, facts.kinds != DEBIT)
    return {
        EXTRAS_BALANCES.name: ledger.balances(),
        LEDGER_ENTRIES.name: ledger.table(LEDGER_ENTRIES, (facts.at >= first) & (facts.at < until)),
        FOLLOWED_ENTRIES.name: ledger.table(FOLLOWED_ENTRIES, (facts.at < first) & ledger.since(followed)),
        EXPIRING_LEDGERS.name: ledger.table(EXPIRING_LEDGERS, with_expiry),
        LEDGER_SUSPECTS.name: ledger.table(LEDGER_SUSPECTS, suspected(facts, as_of) | ledger.whole(again)),
        DISPUTE_ENTRIES.name: _cut(DISPUTE_ENTRIES, naming_a_dispute(no_debits)),
        PACK_PURCHASES.name: _cut(PACK_PURCHASES, purchases(no_debits)),
        REFUND_ENTRIES.name: _cut(REFUND_ENTRIES, of_refunds(no_debits)),
        LEDGER_SEALS.name: ledger.seals(followed),
    }


class _Ledger:
    """The entries of the chosen documents, in document and commit order."""

    def __init__(self, rows: Rows, chosen: np.ndarray) -> None:
        self._rows = rows
        self._chosen = chosen
        self._entries = rows.objects["ledger"]
        ends, self._items = items_of(rows.lists["ledger"], chosen)
        self._ends = ends.astype(np.int64)
        self._counts = np.diff(self._ends)
        self._document = np.repeat(np.arange(len(chosen)), self._counts)
        self._organizations = hex_array(rows.buffer, rows.cells("organization").values[chosen])
        self.facts = self._facts()

    def balances(self) -> pa.Table:
        """`extras_balances`."""
        documents = Columns(self._rows, self._chosen)
        total = np.bincount(self._document, self.facts.amounts, len(self._chosen))
        sizes = self._rows.document_sizes()[self._chosen]
        columns = [self._organizations, documents.numbers("cachedBalance"), total, self._counts]
        return arrow_table(EXTRAS_BALANCES, [*columns, sizes, documents.times("cachedBalanceAt")])

    def seals(self, followed: Followed) -> pa.Table:
        """`ledger_seals`, each beside the seal of an earlier night."""
        names = pd.Index(self._organizations.to_pylist())
        earlier = followed.seals.set_index("organization_id").reindex(names)
        counts = earlier["entry_count"].fillna(0).to_numpy(dtype=np.int64)
        fields = ("_id", "kind", "amount", "refId", "stripeSessionId", "at", "expiresAt")
        cells = EntryCells(*(self._cells(name) for name in fields))
        digest = digests(self._rows.buffer, cells, self._ends, counts)
        amounts, firsts = self.facts.amounts, np.arange(len(self._document)) - self._ends[self._document]
        among_first = firsts < counts[self._document]
        return arrow_table(
            LEDGER_SEALS,
            [
                self._organizations,
                pa.repeat("read", len(names)),
                self._counts,
                np.bincount(self._document, amounts, len(names)),
                pa.array(digest.ledgers, pa.string()),
                counts,
                earlier["ledger_sum"].fillna(0.0).to_numpy(dtype=np.float64),
                pa.array(earlier["digest"], pa.string(), from_pandas=True),
                np.bincount(self._document, np.where(among_first, amounts, 0.0), len(names)),
                pa.array(digest.firsts, pa.string()),
            ],
        )

    def table(self, table: Table, mask: Mask) -> pa.Table:
        """The entries of a mask, with the columns of a table."""
        places = np.flatnonzero(mask)
        columns = Columns(self._entries, self._items[places])
        columns_by_name = {
            "organization_id": lambda: self._organizations.take(pa.array(self._document[places])),
            "position": lambda: pa.array(places - self._ends[self._document[places]]),
            "entry_id": lambda: columns.ids("_id"),
            "kind": lambda: columns.text("kind"),
            "amount": lambda: columns.numbers("amount"),
            "ref_id": lambda: columns.text("refId"),
            "stripe_session_id": lambda: columns.text("stripeSessionId"),
            "source": lambda: columns.text("source"),
            "at": lambda: columns.times("at"),
            "expires_at": lambda: columns.times("expiresAt"),
        }
        return pa.table([columns_by_name[name]() for name in table.column_names], schema=arrow_schema(table))

    def since(self, followed: Followed) -> Mask:
        """The entries of organizations with a followed week, from where these are read."""
        if not followed.oldest:
            return np.zeros(len(self._document), dtype=np.bool_)
        begin = followed.entries_from()
        names = pa.array(list(begin), pa.string())
        first = np.array([*map(milliseconds, begin.values()), np.iinfo(np.int64).max])
        place = pc.fill_null(pc.index_in(self._organizations, value_set=names), len(begin)).to_numpy()
        return self.facts.at >= first[place][self._document]

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

    def _facts(self) -> EntryColumns:
        expires, refs = self._cells("expiresAt"), self._cells("refId")
        return EntryColumns(
            kinds=_KINDS.codes(self._rows.buffer, self._cells("kind")),
            amounts=self._cells("amount").values.view(np.float64),
            referenced=refs.are(bson.TEXTS) & (refs.sizes > 0),
            settles=starts_with(self._rows.buffer, refs, _SETTLE),
            grants=np.logical_or.reduce([starts_with(self._rows.buffer, refs, prefix) for prefix in _GRANTS]),
            at=self._cells("at").values,
            expires=expires.kinds == bson.DATE,
            expires_at=expires.values,
        )

    def _cells(self, field: str) -> Cells:
        return self._entries.cells(field).of(self._items)


def _cut(table: Table, rows: pa.Table) -> pa.Table:
    """The contract's columns of rows that have them by name."""
    return rows.select(table.column_names).cast(arrow_schema(table))
