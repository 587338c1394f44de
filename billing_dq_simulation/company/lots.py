"""What is left of each credit of a ledger, by the replay of docs/domain.md, "What is left of a credit".

A top-up or adjustment first repays what was spent without any credit. A debit draws on the live credit that expires
first (the oldest among equals, those without expiry last). At its expiry a credit stops being drawn on.
"""

from dataclasses import dataclass

from bson import ObjectId

_NEVER = 1 << 62


@dataclass(slots=True)
class Lot:
    """A credit: its entry, the units left, when it expires (milliseconds)."""

    entry_id: ObjectId
    left: float
    expires: int


class Lots:
    """The credits of one ledger, with the debt that no credit covered, by where it came from."""

    def __init__(self) -> None:
        self._lots: list[Lot] = []
        self.usage_debt = 0.0
        self.other_debt = 0.0

    def credit(self, entry_id: ObjectId, units: float, expires: int | None) -> None:
        """A top-up or an adjustment."""
        repaid = min(units, self.usage_debt)
        self.usage_debt -= repaid
        repaid_other = min(units - repaid, self.other_debt)
        self.other_debt -= repaid_other
        lot = Lot(entry_id, units - repaid - repaid_other, _NEVER if expires is None else expires)
        position = len(self._lots)
        while position and self._lots[position - 1].expires > lot.expires:
            position -= 1
        self._lots.insert(position, lot)

    def debit(self, units: float, at: int) -> None:
        """A step's overflow."""
        self.usage_debt += self._draw(units, at)

    def refund(self, entry_id: ObjectId, units: float, at: int) -> None:
        """A refund of a pack, or the clawback of a dispute: its own pack first, for the rest like a debit."""
        own = next((lot for lot in self._lots if lot.entry_id == entry_id), None)
        if own is not None:
            taken = min(own.left, units)
            own.left -= taken
            units -= taken
        self.other_debt += self._draw(units, at)

    def expire(self, entry_id: ObjectId) -> float:
        """Take what is left of a credit; the value is how much that was."""
        for lot in self._lots:
            if lot.entry_id == entry_id:
                left, lot.left = lot.left, 0.0
                return left
        return 0.0

    def _draw(self, units: float, at: int) -> float:
        for lot in self._lots:
            if units <= 0:
                break
            if lot.left and lot.expires > at:
                taken = min(lot.left, units)
                lot.left -= taken
                units -= taken
        return units
