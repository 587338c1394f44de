"""How much of the database a night may ask for: its budget of time, and its pace."""

import math
import time
from collections.abc import Callable


class BudgetSpent(Exception):
    """The night's time for MongoDB is over."""


class Budget:
    """The seconds that the reading of a night may take, from now on; None: as long as it takes."""

    def __init__(self, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._end = math.inf if seconds is None else clock() + seconds

    @property
    def left(self) -> float | None:
        """Seconds left, 0 at least; None: no end."""
        return None if math.isinf(self._end) else max(0.0, self._end - self._clock())

    def limit(self, milliseconds: int) -> int:
        """A time-out that does not outlast the budget, in milliseconds; 1 at least, for 0 means none."""
        return milliseconds if self.left is None else max(1, min(milliseconds, math.ceil(self.left * 1000)))

    def require(self) -> None:
        """Go on while there is time.

        Raises:
            BudgetSpent: there is none left.
        """
        if self.left == 0.0:
            raise BudgetSpent


class Pace:
    """So many bytes a second at most, on the average since the first; None: as fast as the server answers."""

    def __init__(
        self,
        bytes_per_second: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = bytes_per_second
        self._clock, self._sleep = clock, sleep
        self._free_at = clock()

    def read(self, count: int) -> None:
        """Say that so many bytes came, and wait until the next may be asked for."""
        if self._rate is None:
            return
        instant = self._clock()
        self._free_at = max(self._free_at, instant) + count / self._rate
        self._sleep(self._free_at - instant)
