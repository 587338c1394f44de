"""What the documents of a collection looked like, counted: by part, added up, and as the table of a night."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from billing_dq.sources.mongodb.sampled_fields import SampledField
from billing_dq.tables import DOCUMENT_SHAPES

Key = tuple[str, str, str]  # field, part, observed


@dataclass(frozen=True)
class CountedShape:
    """The shape of a part of a collection.

    Attributes:
        collection: its name in docs/domain.md.
        counts: field, part, observed, occurrences, whether it is declared, and an example where it is not.
        populations: how often the level of a field is there, by the name of the level.
        sampled: fields of the newest documents, which the server named.
        newest: the newest date that tells of a write, None where there is none.
        later: the newest of those after the snapshot, likewise.
    """

    collection: str
    counts: list[tuple[str, str, str, int, bool, str | None]]
    populations: dict[str, int]
    sampled: list[SampledField]
    newest: datetime | None
    later: datetime | None = None

    def rows(self) -> list[dict[str, object]]:
        """The rows of `DOCUMENT_SHAPES`, in the order of the key."""
        counted = [
            {
                "collection": self.collection,
                "field": path,
                "part": part,
                "observed": observed,
                "occurrences": count,
                "population": self.populations[path.rpartition(".")[0]],
                "declared": declared,
                "example_id": example,
            }
            for path, part, observed, count, declared, example in self.counts
        ]
        counted_keys = {(path, part, observed) for path, part, observed, *_ in self.counts}
        sampled = [
            {
                "collection": self.collection,
                "field": field.name,
                "part": "type",
                "observed": field.type,
                "occurrences": field.occurrences,
                "population": field.population,
                "declared": False,
                "example_id": field.example_id,
            }
            for field in self.sampled
            if (field.name, "type", field.type) not in counted_keys
        ]
        return sorted([*counted, *sampled], key=lambda row: (str(row["field"]), str(row["part"]), str(row["observed"])))


def added_up(parts: Sequence[CountedShape]) -> CountedShape:
    """The shape of a collection from those of its parts, in the order in which they were read; one at least."""
    counts: Counter[Key] = Counter()
    populations: Counter[str] = Counter()
    declared: set[Key] = set()
    examples: dict[Key, str] = {}
    for part in parts:
        populations.update(part.populations)
        for field_name, kind, observed, count, is_declared, example in part.counts:
            key = (field_name, kind, observed)
            counts[key] += count
            if is_declared:
                declared.add(key)
            if example is not None:
                examples.setdefault(key, example)
    return CountedShape(
        parts[0].collection,
        [(*key, count, key in declared, examples.get(key)) for key, count in counts.items()],
        dict(populations),
        [field for part in parts for field in part.sampled],
        max((part.newest for part in parts if part.newest is not None), default=None),
        max((part.later for part in parts if part.later is not None), default=None),
    )


def shape_table(shapes: Iterable[CountedShape]) -> pd.DataFrame:
    """`DOCUMENT_SHAPES` of all collections."""
    return DOCUMENT_SHAPES.from_rows(row for shape in shapes for row in shape.rows())
