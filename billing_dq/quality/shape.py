"""What changed about the shape of documents since the nights before: fields, types, words, and how often there is one.

What the contract declares is never new. Something new is told for some nights, and then it is known. What vanished, or
is there much more or less often, is told until half of the nights that are compared have it so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

#: Earlier nights that must be there before anything is said, nights in which something new is told, and nights whose
#: shares are compared.
FEWEST_NIGHTS, NEW_FOR, COMPARED = 3, 3, 14
#: What a share may change by, beside six MADs and what chance does in so few documents; and documents to judge it by.
_POINTS, _DEVIATIONS, _ERRORS, _FEWEST = 0.10, 6 * 1.4826, 4.0, 20
#: A field that this share of documents had is missed where none has it any more.
_COMMON = 0.02
_NOTHING = ("missing", "null", "undefined")
_NUMBERS = ("double", "int", "long")
_LEVEL = ["collection", "field"]


@dataclass(frozen=True)
class Change:
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
    before = sorted({one for one in history["night"] if one < night})
    if len(before) < FEWEST_NIGHTS:
        return []
    history = history[history["night"].isin(before)]
    found = [*_new(tonight, history, before), *_shares(tonight, history, before)]
    return sorted(found, key=lambda change: (change.collection, change.field, change.what))


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
    """What no night knew before the last few."""
    known_by = before[: -(NEW_FOR - 1)] if len(before) >= FEWEST_NIGHTS + NEW_FOR - 1 else before[:FEWEST_NIGHTS]
    known = history[history["night"].isin(known_by)]
    fields = set(zip(known["collection"], known["field"], strict=True))
    seen = set(zip(known["collection"], known["field"], known["part"], _alike(known), strict=True))
    candidates = tonight[~tonight["declared"] & ~tonight["observed"].isin(_NOTHING)]
    told: set[tuple[str, str]] = set()
    for row in candidates.assign(alike=_alike(candidates)).to_dict("records"):
        place = (str(row["collection"]), str(row["field"]))
        if (*place, row["part"], row["alike"]) in seen or place in told:
            continue
        count = f"{row['occurrences']:,} of {row['population']:,}"
        example = None if pd.isna(row["example_id"]) else str(row["example_id"])
        if row["part"] == "value":
            said = f"has the value {row['observed']}, which no night had before, in {count}"
            yield Change(*place, "new_value", example, _sentence(place, said))
        elif place not in fields:
            told.add(place)
            said = f"is a new field, of type {row['observed']}, in {count}"
            yield Change(*place, "new_field", example, _sentence(place, said))
        else:
            said = f"is of type {row['observed']}, which no night had before, in {count}"
            yield Change(*place, "new_type", example, _sentence(place, said))


def _shares(tonight: pd.DataFrame, history: pd.DataFrame, before: list[date]) -> Iterator[Change]:
    """What vanished, and what is there much more or less often than in the nights that are compared."""
    nights = present(history[history["night"].isin(before[-COMPARED:])])
    by_field = nights.groupby(_LEVEL)
    off = (nights["share"] - by_field["share"].transform("median")).abs()
    then = by_field.agg(
        nights=("share", "size"), usual=("share", "median"), of=("population", "median"), last=("population", "last")
    ).assign(mad=off.groupby([nights[name] for name in _LEVEL]).median())
    now = present(tonight).set_index(_LEVEL)[["share", "population"]]
    both = then.join(now).reset_index()
    both = both[both["collection"].isin(tonight["collection"]) & (both["nights"] >= FEWEST_NIGHTS)]
    both = both.assign(share=both["share"].fillna(0.0), population=both["population"].fillna(both["last"]))
    both = both[both[["population", "of"]].min(axis=1) >= _FEWEST]
    chance = _ERRORS * np.sqrt(both["usual"] * (1 - both["usual"]) / both["population"])
    gone = (both["share"] == 0.0) & (both["usual"] >= chance.clip(lower=_COMMON))
    room = np.maximum(chance, _DEVIATIONS * both["mad"]).clip(lower=_POINTS)
    moved = ~gone & ((both["share"] - both["usual"]).abs() > room)
    for row in both[gone].to_dict("records"):
        place = (str(row["collection"]), str(row["field"]))
        said = f"is gone: {row['usual']:.0%} of the documents had it"
        yield Change(*place, "vanished_field", None, _sentence(place, said))
    for row in both[moved].to_dict("records"):
        place = (str(row["collection"]), str(row["field"]))
        said = f"is in {row['share']:.0%} of the documents; it was in {row['usual']:.0%}"
        yield Change(*place, "changed_share", None, _sentence(place, said))


def _alike(shapes: pd.DataFrame) -> "pd.Series[str]":
    """What was observed, without the difference between types of numbers: JavaScript knows one."""
    is_number = (shapes["part"] == "type") & shapes["observed"].isin(_NUMBERS)
    return shapes["observed"].where(~is_number, "number")


def _sentence(place: tuple[str, str], said: str) -> str:
    return f"{place[0]}.{place[1]} {said}"
