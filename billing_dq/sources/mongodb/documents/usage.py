"""Usage documents as `weekly_usage`: the keys that were consumed, and what a settlement charged."""

# numpy does not tell a type checker how many dimensions remain of an array that is indexed:
# pyright: reportArgumentType=false

import numpy as np
import pyarrow as pa

from billing_dq.sources.mongodb.bson import types as bson
from billing_dq.sources.mongodb.bson.arrow_columns import Columns, text_array
from billing_dq.sources.mongodb.bson.judged import Rows, parents, week_numbers
from billing_dq.sources.mongodb.bson.raw_document import elements
from billing_dq.sources.mongodb.bson.texts import starts_with
from billing_dq.sources.mongodb.bson.walker import Cells, Items
from billing_dq.storage.arrow import arrow_table
from billing_dq.tables import WEEKLY_USAGE
from billing_dq.vocabulary.references import SETTLEMENT

_SETTLE = np.frombuffer(SETTLEMENT.encode(), dtype=np.uint8)
_KEYS, _OLDER_IDS = "consumedAttributionKeys", "consumedHistoryIds"


def weekly_usage(rows: Rows, chosen: np.ndarray) -> pa.Table:
    """The chosen documents, sound and of the night's weeks, as rows of `weekly_usage`."""
    columns = Columns(rows, chosen)
    return arrow_table(
        WEEKLY_USAGE,
        [
            columns.ids("organizationId"),
            columns.text("weekKey"),
            columns.numbers("meterUsed"),
            columns.numbers("meterQuota"),
            columns.text("planVersion"),
            _settled_units(rows, chosen),
            columns.times("updatedAt"),
            _attribution_keys(rows, chosen),
            rows.document_sizes()[chosen],
        ],
    )


def _settled_units(rows: Rows, chosen: np.ndarray) -> pa.Array:
    """What the settlement of the document's week charged: 0 without its key, null where no breakdown tells the rest."""
    used = rows.cells("meterUsed").values.view(np.float64)
    breakdown = rows.lists["meterBreakdown"]
    parts = np.bincount(parents(breakdown), breakdown.cells.values.view(np.float64), len(used))
    settled = _settled(rows)[chosen]
    with np.errstate(over="ignore"):
        units = np.where(settled, used[chosen] - parts[chosen], 0.0)
    untold = settled & ((rows.cells("meterBreakdown").kinds[chosen] != bson.OBJECT) | ~np.isfinite(units))
    return pa.array(units, pa.float64(), mask=untold)


def _settled(rows: Rows) -> np.ndarray:
    """Which documents hold the settlement key of their own week."""
    keys = rows.lists[_KEYS]
    settlements = np.flatnonzero(starts_with(rows.buffer, keys.cells, _SETTLE))
    kinds, places, sizes = (part[settlements] for part in keys.cells)
    settled_weeks = week_numbers(rows.buffer, Cells(kinds, places + len(_SETTLE), sizes - np.int32(len(_SETTLE))))
    document = parents(keys)[settlements]
    document_weeks = week_numbers(rows.buffer, rows.cells("weekKey"))[document]
    settled = np.zeros(len(rows.starts), dtype=np.bool_)
    settled[document[settled_weeks == document_weeks]] = True
    return settled


def _attribution_keys(rows: Rows, chosen: np.ndarray) -> pa.Array:
    """The consumed keys of each document in commit order; those of older documents first."""
    ends, items = items_of(rows.lists[_KEYS], chosen)
    keys = pa.ListArray.from_arrays(ends, text_array(rows.buffer, rows.lists[_KEYS].cells.of(items)))
    older = np.diff(rows.lists[_OLDER_IDS].firsts)[chosen]
    if not older.any():
        return keys
    # documents of an older application are few, and of the past: one Python list each
    together = keys.to_pylist()
    for place in np.flatnonzero(older):
        together[place] = [*_initial_keys(rows, chosen[place], set(together[place])), *together[place]]
    return pa.array(together, keys.type)


def _initial_keys(rows: Rows, row: int, attributed: set[str]) -> list[str]:
    """The keys that the history ids of a document mean, without those that it has as keys."""
    lists = rows.cells(_OLDER_IDS)
    start = int(lists.values[row])
    raw = rows.buffer[start : start + int(lists.sizes[row])].tobytes()
    keys = [f"{element.value.hex()}:initial" for element in elements(raw)]
    return [key for key in keys if key not in attributed]


def items_of(lists: Items, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The items of the chosen rows: where each row's end (int32, from 0 on) and which they are."""
    firsts, counts = lists.firsts[chosen], np.diff(lists.firsts)[chosen]
    ends = np.concatenate([[0], np.cumsum(counts)])
    items = np.arange(ends[-1]) + np.repeat(firsts - ends[:-1], counts)
    return ends.astype(np.int32), items
