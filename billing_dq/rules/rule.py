"""A rule that an analyst wrote, once it has been read and found sound."""

from dataclasses import dataclass

from billing_dq.errors import SettingsError
from billing_dq.rules.expectation import Clause, Expectation, Severity


class RuleError(SettingsError):
    """A rule cannot be used; the message is one line with the file, the line, the key and the reason."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))  # a name in the file, or what PyYAML says, may have several lines


@dataclass(frozen=True)
class Rule:
    """An expectation of a table, or a query that returns the rows that are wrong.

    Attributes:
        name: of its check.
        table: on which the check is shown.
        clause: the expectation; None where there is a query.
        sql: the query; empty where there is an expectation.
        reads: the tables that it needs, ``table`` among them.
        severity: of the check. A critical one about a table from MongoDB stops what rests on the table.
        note: what it means, in a sentence; the check's description.
        owner: whom to ask.
        place: file and line.
    """

    name: str
    table: str
    clause: Clause | None
    sql: str
    reads: tuple[str, ...]
    severity: Severity
    note: str
    owner: str
    place: str

    @property
    def expectation(self) -> Expectation | None:
        """It as an expectation, where it is one."""
        if self.clause is None:
            return None
        return Expectation(self.table, self.name, self.note, self.severity, (self.clause,))
