"""The colours of the pictures, the same everywhere: of the two sides that may be owed, and of the grades of a week."""

from collections.abc import Mapping

#: Blue is owed to us, orange to customers: told apart also by people who do not see red and green.
TO_US, TO_CUSTOMERS = "#2f7fc1", "#d9822b"
GRADE_COLOURS: Mapping[str, str] = {
    "exact": "#8fa3ad",
    "within_tolerance": "#6fa8a0",
    "explained": "#4f8a5b",
    "undecided": "#d8b13a",
    "unexplained": "#c8413b",
    "unreadable": "#8a6fa8",
}
