"""What changed about the shape of documents since the nights before: fields, types, words, and how often there is one.

What the contract declares is never new. What is new is reported for some nights, and then it is usual. What vanished,
or is there much more or less often, is reported until half of the nights that are compared have it so.
"""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

import numpy as np
import pandas as pd

#: Earlier nights that must be there before anything is judged, nights in which something new is reported, and nights
#: whose shares are compared.
FEWEST_NIGHTS, NEW_FOR, COMPARED = 3, 3, 14
#: What a share may change by, beside six MADs and what chance does in so few documents; and documents to judge it by.
_POINTS, _DEVIATIONS, _ERRORS, _FEWEST = 0.10, 6 * 1.4826, 4.0, 20
#: A field that this share of documents had is missed where none has it any more.
_COMMON = 0.02
_NOTHING = ("missing", "null", "undefined")
_NUMBERS = ("double", "int", "long")
_LEVEL = ["collection", "field"]


class Change(NamedTuple):
    """A change of shape: what of which field, a document as an example where there is one, and a sentence."""

    collection: str
    field: str
    what: str
    example_id: str | None
    sentence: str


def changes(tonight: pd.DataFrame, history: pd.DataFrame, night: date) -> list[Change]:
    """What is new, gone, or there more or less often.

    Args:
        tonight: `DOCUMENT_SHAPES`.
        history: ``night`` (a date) and `DOCUMENT_SHAPES` of the nights before.
        night: the night.

    Returns:
        By collection and field; nothing where the nights before are fewer than `FEWEST_NIGHTS`.
    """
    before = sorted({earlier for earlier in history["night"] if earlier < night})
    if len(before) < FEWEST_NIGHTS:
        return []
    history = history[history["night"].isin(before)]
    of_night = [*_new(tonight, history, before), *_shares(tonight, history, before)]
    return sorted(of_night, key=lambda change: (change.collection, change.field, change.what))


def present(shapes: pd.DataFrame) -> pd.DataFrame:
    """How often each field has a value: ``collection``, ``field``, ``occurrences``, ``population``, ``share``, and
    ``night`` where the rows have one.
    """
    by = [*_LEVEL, *(["night"] if "night" in shapes.columns else [])]
    types = shapes[shapes["part"] == "type"]
    counted = types.assign(occurrences=types["occurrences"].where(~types["observed"].isin(_NOTHING), 0))
    grouped = counted.groupby(by, as_index=False).agg(
        occurrences=("occurrences", "sum"), population=("population", "max")
    )
    share = (grouped["occurrences"] / grouped["population"].where(grouped["population"] > 0)).fillna(0.0)
    return grouped.assign(share=share.clip(upper=1.0))


def _new(tonight: pd.DataFrame, history: pd.DataFrame, before: list[date]) -> Iterator[Change]:
    """What no night had before the last few."""
    nights = before[: -(NEW_FOR - 1)] if len(before) >= FEWEST_NIGHTS + NEW_FOR - 1 else before[:FEWEST_NIGHTS]
    usual = history[history["night"].isin(nights)]
    fields = set(zip(usual["collection"], usual["field"], strict=True))
    observed = set(zip(usual["collection"], usual["field"], usual["part"], _alike(usual), strict=True))
    candidates = tonight[~tonight["declared"] & ~tonight["observed"].isin(_NOTHING)]
    new_fields: set[tuple[str, str]] = set()
    for row in candidates.assign(alike=_alike(candidates)).to_dict("records"):
        field = (str(row["collection"]), str(row["field"]))
        if (*field, row["part"], row["alike"]) in observed or field in new_fields:
            continue
        if row["part"] == "value":
            what, sentence = "new_value", f"has the value {row['observed']}, which no night had before,"
        elif field not in fields:
            new_fields.add(field)
            what, sentence = "new_field", f"is a new field, of type {row['observed']},"
        else:
            what, sentence = "new_type", f"is of type {row['observed']}, which no night had before,"
        example = None if pd.isna(row["example_id"]) else str(row["example_id"])
        count = f"in {row['occurrences']:,} of {row['population']:,}"
        yield Change(*field, what, example, f"{'.'.join(field)} {sentence} {count}")


def _shares(tonight: pd.DataFrame, history: pd.DataFrame, before: list[date]) -> Iterator[Change]:
    """What vanished, and what is there much more or less often than in the nights that are compared."""
    nights = present(history[history["night"].isin(before[-COMPARED:])])
    by_field = nights.groupby(_LEVEL)
    deviation = (nights["share"] - by_field["share"].transform("median")).abs()
    usual = by_field.agg(
        nights=("share", "size"),
        usual=("share", "median"),
        documents=("population", "median"),
        last=("population", "last"),
    ).assign(mad=deviation.groupby([nights[name] for name in _LEVEL]).median())
    rows = usual.join(present(tonight).set_index(_LEVEL)[["share", "population"]]).reset_index()
    rows = rows[rows["collection"].isin(tonight["collection"]) & (rows["nights"] >= FEWEST_NIGHTS)]
    rows = rows.assign(share=rows["share"].fillna(0.0), population=rows["population"].fillna(rows["last"]))
    rows = rows[rows[["population", "documents"]].min(axis=1) >= _FEWEST]
    chance = _ERRORS * np.sqrt(rows["usual"] * (1 - rows["usual"]) / rows["population"])
    gone = (rows["share"] == 0.0) & (rows["usual"] >= chance.clip(lower=_COMMON))
    room = np.maximum(chance, _DEVIATIONS * rows["mad"]).clip(lower=_POINTS)
    moved = ~gone & ((rows["share"] - rows["usual"]).abs() > room)
    for is_gone, row in zip(gone[gone | moved], rows[gone | moved].to_dict("records"), strict=True):
        field = (str(row["collection"]), str(row["field"]))
        if is_gone:
            sentence = f"is gone: {row['usual']:.0%} of the documents had it"
        else:
            sentence = f"is in {row['share']:.0%} of the documents; it was in {row['usual']:.0%}"
        what = "vanished_field" if is_gone else "changed_share"
        yield Change(*field, what, None, f"{'.'.join(field)} {sentence}")


def _alike(shapes: pd.DataFrame) -> "pd.Series[str]":
    """What was observed, without the difference between types of numbers: JavaScript knows one."""
    is_number = (shapes["part"] == "type") & shapes["observed"].isin(_NUMBERS)
    return shapes["observed"].where(~is_number, "number")
