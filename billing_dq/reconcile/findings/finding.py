"""A finding on its way to the table, and how rows of result tables are read."""

import hashlib
from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.findings.severity import Severity
from billing_dq.vocabulary.verdicts import Verdict

#: Kinds whose subject means something within its organization only.
_OWN_SUBJECTS = frozenset({"meter_extras_divergence", "ledger_violation"})


@dataclass(frozen=True)
class Finding:
    """A finding before it gets its id, its price and its link."""

    kind: str
    organization_id: str | None
    subject: str
    severity: Severity
    units: float
    cause: str | None
    explanation: str
    #: tells findings of one kind and subject apart: the ledger's rule, the collection of a document
    aspect: str = ""
    #: None: by its severity
    verdict: Verdict | None = None
    #: names of the money that it tells, for `shared_money`
    money: tuple[str, ...] = ()

    @property
    def amounts_to(self) -> Verdict:
        """Its verdict: information is by design unless its rule says otherwise."""
        return self.verdict or ("by_design" if self.severity == "info" else "unexplained")

    @property
    def finding_id(self) -> str:
        """See `finding_id_of`."""
        return finding_id_of(self.kind, self.organization_id, self.subject, self.aspect)


def finding_id_of(kind: str, organization_id: str | None, subject: str, aspect: str) -> str:
    """Stable from night to night: it depends on what is broken and on nothing that changes while it is.

    The organization tells subjects apart only where they are weeks or entries; whose a dispute, a subscription or a
    bad document is may become known later.
    """
    organization = organization_id or "" if kind in _OWN_SUBJECTS else ""
    return hashlib.sha256("\0".join((kind, organization, subject, aspect)).encode()).hexdigest()[:16]


def records(frame: pd.DataFrame) -> list[dict[str, object]]:
    """The rows of a table as mappings by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def text_or_none(row: dict[str, object], name: str) -> str | None:
    """A text of a row; None where it is null."""
    value = row[name]
    return value if isinstance(value, str) else None


def text(row: dict[str, object], name: str) -> str:
    """A text of a row.

    Raises:
        TypeError: it is null or something else.
    """
    value = row[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is {value!r}, not a text")
    return value


def number(row: dict[str, object], name: str) -> float:
    """A number of a row.

    Raises:
        TypeError: it is something else.
    """
    value = row[name]
    if not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}, not a number")
    return float(value)
