"""How the documents of a collection were sorted."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    """Documents of a collection: all there are, read, quarantined, and out of the night's scope."""

    counted: int
    read: int
    quarantined: int
    out_of_scope: int
