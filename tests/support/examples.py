"""How many examples a property is tried with: all of them in the profile `long`, a third in `quick` (the default)."""

import os

from hypothesis import settings


def examples(in_all: int) -> settings:
    """The settings of a property that deserves so many examples."""
    return settings(max_examples=max(5, in_all * settings().max_examples // 100))


def hostile_examples() -> int:
    """How many hostile inputs of a kind are tried: 150 in all, or `BILLING_DQ_TEST_FUZZ_EXAMPLES`."""
    return int(os.environ.get("BILLING_DQ_TEST_FUZZ_EXAMPLES", settings().max_examples * 3 // 2))
