"""Money and units: the only place where one becomes the other, and the tolerance between two amounts of units.

Money is an integer number of minor units (cents of USD), units are float64. The rules are in docs/domain.md, "Money and
units" and "Meter against extras".
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Units are doubles: whole ones are exact, and sums of parts of units differ by less than this.
EPSILON = 1e-6


def round_half_up(value: float) -> float:
    """Round as JavaScript's ``Math.round`` does: ``floor(x + 0.5)``, so -2.5 becomes -2."""
    return float(math.floor(value + 0.5))


def units_of_cents(cents: int, dollars_to_units: float) -> float:
    """Units of an amount of USD at the general ratio: 2000 cents are 20 000 units at 1000 units per dollar."""
    return round_half_up(cents / 100 * dollars_to_units)


def cents_of_units(units: float, dollars_to_units: float) -> int:
    """USD cents of an amount of units at the general ratio, for reports only; the sign is kept."""
    return int(round_half_up(units / dollars_to_units * 100))


@dataclass(frozen=True)
class Tolerance:
    """Materiality of a difference: ``max(absolute_units, relative * max(expected, actual))``; at it is within it."""

    absolute_units: float = 50.0
    relative: float = 0.005

    def of(self, expected: Floats, actual: Floats) -> Floats:
        """The largest tolerated difference of each pair, in units; arrays of one length."""
        return np.maximum(self.absolute_units, self.relative * np.maximum(expected, actual))
