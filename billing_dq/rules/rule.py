"""A rule of an analyst, as it is used once it was read."""

from dataclasses import dataclass

from billing_dq.errors import SettingsError
from billing_dq.rules.suites import Expectation

#: What Great Expectations calls a query that returns the rows that are wrong, and its argument.
QUERY, SQL = "unexpected_rows_expectation", "unexpected_rows_query"


class RuleError(SettingsError):
    """A rule cannot be used; the message is one line with the file, the line, the key and the reason."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))  # a name in the file, or what PyYAML says, may have several lines


@dataclass(frozen=True)
class Rule:
    """An expectation of a table, or a query that returns the rows that are wrong.

    Attributes:
        table: on which its check is.
        expectation: what is expected, with the name, owner and file of the rule.
        reads: the tables that it needs, ``table`` among them.
    """

    table: str
    expectation: Expectation
    reads: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its name, once on a table."""
        return self.expectation.name

    @property
    def place(self) -> str:
        """File and line."""
        return self.expectation.meta["file"]

    @property
    def sql(self) -> str:
        """The query; empty where it is none."""
        return str(self.expectation.kwargs[SQL]) if self.expectation.type == QUERY else ""
