"""One root over all seals of a night: who keeps it apart can prove every ledger of that night, and every night before.

The rows of `ledger_seals`, by organization, are the leaves of a Merkle tree as RFC 6962 builds it. A row has the seal
that its ledger had to continue as well, so that the root of a night rests on those of the nights before.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Literal

import pandas as pd

from billing_dq.errors import SourceError
from billing_dq.tables import LEDGER_SEALS

_LEAF, _NODE = b"\x00", b"\x01"


@dataclass(frozen=True)
class Step:
    """The neighbour that a digest is joined with on its way to the root, and the side on which it stands."""

    side: Literal["left", "right"]
    digest: str


def seal_root(seals: pd.DataFrame) -> str:
    """The root of a night (docs/domain.md, "Ledger").

    Args:
        seals: LEDGER_SEALS.

    Returns:
        SHA-256 as hex text; of a night without ledgers that of nothing.
    """
    *_, root = _levels(seals)
    return root[0].hex() if root else sha256().hexdigest()


def seal_path(seals: pd.DataFrame, organization_id: str) -> tuple[str, list[Step]]:
    """The leaf of an organization, and the steps from there to the root.

    Args:
        seals: LEDGER_SEALS.
        organization_id: whose ledger it is.

    Returns:
        The leaf's digest, and one step a level, from the leaf upwards; `root_from` goes them.

    Raises:
        SourceError: the night has no seal of that organization.
    """
    places = seals["organization_id"].sort_values().tolist()
    if organization_id not in places:
        raise SourceError(f"the night has no seal of organization {organization_id}")
    place = places.index(organization_id)
    leaf, steps = "", list[Step]()
    for digests in _levels(seals):
        leaf = leaf or digests[place].hex()
        neighbour = place ^ 1
        if neighbour < len(digests):
            steps.append(Step("left" if neighbour < place else "right", digests[neighbour].hex()))
        place //= 2
    return leaf, steps


def root_from(leaf: str, steps: Sequence[Step]) -> str:
    """The root that a leaf and its steps lead to."""
    digest = bytes.fromhex(leaf)
    for step in steps:
        neighbour = bytes.fromhex(step.digest)
        digest = _node(neighbour, digest) if step.side == "left" else _node(digest, neighbour)
    return digest.hex()


def _levels(seals: pd.DataFrame) -> Iterator[list[bytes]]:
    """The digests of each level, from the leaves to the root; one without a neighbour goes up as it is."""
    ordered = seals[LEDGER_SEALS.column_names].sort_values("organization_id").astype("object")
    rows = ordered.where(ordered.notna(), None).to_numpy().tolist()
    level = [sha256(_LEAF + json.dumps(row, separators=(",", ":")).encode()).digest() for row in rows]
    yield level
    while len(level) > 1:
        pairs = [_node(left, right) for left, right in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(level) - len(level) % 2 :]
        yield level


def _node(left: bytes, right: bytes) -> bytes:
    return sha256(_NODE + left + right).digest()
