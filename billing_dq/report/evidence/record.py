"""The evidence of a finding as plain values: what its page, `billing-dq explain` and programs show.

Numbers and instants stay as the tables have them; `display` writes them for people.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from billing_dq.reconcile.disputes.timeline import TimelineEvent
from billing_dq.reconcile.meter.waterfall import Step
from billing_dq.report.figures import Plain
from billing_dq.report.runbook import Remedy


@dataclass(frozen=True)
class LedgerLine:
    """An entry of a ledger.

    Attributes:
        balance: units after this entry; None where the night did not read every entry from here to the end.
        reference: the ``refId``, else the checkout session.
        in_question: the finding is about this entry.
        cut_before: entries of the ledger between the line above and this one that are not among the lines; None where
            the place of one of the two in the ledger was not read.
    """

    entry_id: str
    at: datetime
    kind: str
    units: float
    balance: float | None
    reference: str | None
    in_question: bool
    cut_before: int | None


@dataclass(frozen=True)
class Ledger:
    """The lines of a ledger around the entries in question.

    Attributes:
        balance: units, as the balance document caches them; None: no balance document was read.
        entry_count: entries of the whole ledger; None likewise.
        cut_after: entries behind the last line; None where its place in the ledger was not read.
    """

    organization_id: str
    balance: float | None
    entry_count: int | None
    lines: tuple[LedgerLine, ...]
    cut_after: int | None


@dataclass(frozen=True)
class Document:
    """A document of the application or an object of Stripe, as the night read it.

    Attributes:
        side: ``application``, ``Stripe`` or ``billing_dq`` (a row of its own results).
        what: such as ``charge``.
        fields: by column name; nulls are left out.
        link: where people see it; None: nowhere that is known.
    """

    side: str
    what: str
    name: str
    fields: Mapping[str, Plain]
    link: str | None


@dataclass(frozen=True)
class UsageWeek:
    """The usage document of the finding's week.

    Attributes:
        steps: some of its keys, in commit order, each with its debit; those with a remark are the last to be left out.
        step_count: all of them.
    """

    week_key: str
    steps: tuple[Step, ...]
    step_count: int


@dataclass(frozen=True)
class Amount:
    """A line of the arithmetic.

    Attributes:
        amount: in ``unit``; None where the line is text only.
        unit: ``units``, or a currency for its minor units.
        start: where the bar of the line begins; None: it has no bar.
    """

    label: str
    amount: float | None
    unit: str = "units"
    note: str = ""
    start: float | None = None


@dataclass(frozen=True)
class Proof:
    """A piece of evidence of the cause, and how sure it is; units are its signed share of the difference."""

    cause: str
    rule: str
    confidence: str
    units: float
    reference: str | None


@dataclass(frozen=True)
class NightOfLife:
    """The finding on one night."""

    night: str
    state: str
    severity: str
    units: float
    usd_cents: int


@dataclass(frozen=True)
class Related:
    """Another finding: of the same money, or of the same organization."""

    finding_id: str
    kind: str
    subject: str
    usd_cents: int
    is_same_money: bool


@dataclass(frozen=True)
class Link:
    """An address, and what it leads to."""

    label: str
    address: str


@dataclass(frozen=True)
class Evidence:
    """Everything about one finding.

    Attributes:
        night: the stored night that tells it, YYYY-MM-DD.
        finding: its row of `FINDINGS`, with ``verdict``.
        arithmetic: of a week from usage to debits, of a purchase money against units, of a dispute its account.
        events: the time line of a dispute.
        proofs: of a week; other findings are as sure as `remedy` says.
        request: to copy into the application's shell or client; None where there is nothing to copy.
        queries: for `mongosh`, to see the raw documents.
        related: the first other findings of the same money or organization.
        absent: what the night does not hold any more or never read, in words.
    """

    night: str
    finding: Mapping[str, Plain]
    ledgers: tuple[Ledger, ...]
    documents: tuple[Document, ...]
    usage: UsageWeek | None
    arithmetic: tuple[Amount, ...]
    events: tuple[TimelineEvent, ...]
    proofs: tuple[Proof, ...]
    remedy: Remedy
    request: str | None
    queries: tuple[str, ...]
    life: tuple[NightOfLife, ...]
    related: tuple[Related, ...]
    links: tuple[Link, ...]
    absent: tuple[str, ...]

    def as_data(self) -> dict[str, object]:
        """The record as values of JSON; instants are ISO 8601."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
