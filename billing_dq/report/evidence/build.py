"""The evidence of findings, put together from the rows of one stored night. Nothing is judged here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from billing_dq.reconcile.disputes.timeline import TimelineEvent, timeline
from billing_dq.reconcile.findings.finding import number, text, text_or_none
from billing_dq.reconcile.meter.waterfall import Step
from billing_dq.reconcile.purchases.accounts import CAME_BACK
from billing_dq.report.evidence.arithmetic import balance_amounts, dispute_amounts, purchase_amounts, week_amounts
from billing_dq.report.evidence.documents import documents_of, links_of
from billing_dq.report.evidence.frames import NightFrames, Row
from billing_dq.report.evidence.ledger import Entry, entries_of, ledger_of
from billing_dq.report.evidence.names import in_question, names_of, result_of
from billing_dq.report.evidence.record import Amount, Evidence, Ledger, NightOfLife, Proof, Related, UsageWeek
from billing_dq.report.evidence.requests import request_of
from billing_dq.report.figures import Plain
from billing_dq.report.runbook import remedy, runbook_text
from billing_dq.report.week import mongosh
from billing_dq.settings import Settings
from billing_dq.tables import (
    DISPUTE_ENTRIES,
    DISPUTE_POSITIONS,
    EXTRAS_BALANCES,
    FOLLOWED_USAGE,
    METER_EXTRAS_DELTAS,
    METER_EXTRAS_EVIDENCE,
    PACK_PURCHASES,
    RUNAWAY_BALANCES,
    STRIPE_CHARGES,
    STRIPE_DISPUTES,
    STRIPE_REFUNDS,
    WEEKLY_USAGE,
    Table,
)
from billing_dq.vocabulary.references import SETTLEMENT
from billing_dq.weeks import Week, is_week_key

#: What is shown at most: keys of a week, events of a dispute, pieces of evidence, other findings, other ledgers.
STEPS, EVENTS, PROOFS, RELATED, LEDGERS = 30, 40, 12, 10, 3


@dataclass(frozen=True)
class Night:
    """A night as its findings need it.

    Attributes:
        frames: what it holds about them.
        open_findings: `FINDINGS` of the night that are open and of their organizations or of the same money.
        earlier: by finding, its rows of `FINDINGS` on this night and those before, with the ``night``, oldest first.
    """

    frames: NightFrames
    open_findings: Sequence[Row]
    earlier: Mapping[str, Sequence[Row]]


@dataclass(frozen=True)
class _Subject:
    """A finding, and what the night holds about it."""

    finding: Mapping[str, Plain]
    frames: NightFrames
    entries: Sequence[Entry]
    names: frozenset[str]
    marked: Sequence[Entry]

    @property
    def organization(self) -> str | None:
        name = self.finding["organization_id"]
        return name if isinstance(name, str) else None

    @property
    def week(self) -> Week | None:
        subject = str(self.finding["subject"])
        return Week.parse(subject) if is_week_key(subject) else None


def evidence_of(finding: Mapping[str, Plain], night: Night, settings: Settings) -> Evidence:
    """The evidence of a finding.

    Args:
        finding: a row of `FINDINGS`.
        night: what is stored about it.
        settings: packs, plans, names of collections, links.
    """
    frames, kind = night.frames, str(finding["kind"])
    organization = finding["organization_id"]
    entries = entries_of(frames, organization if isinstance(organization, str) else None)
    names = names_of(finding, frames, entries)
    subject = _Subject(finding, frames, entries, names, in_question(entries, names))
    documents = tuple(documents_of(frames, names, subject.organization, result_of(finding)))
    advice = remedy(runbook_text(), kind, None if finding["cause"] is None else str(finding["cause"]))
    return Evidence(
        night=frames.night,
        finding=finding,
        ledgers=tuple(_ledgers(subject)),
        documents=documents,
        usage=_usage(subject),
        arithmetic=tuple(_arithmetic(subject, settings)),
        events=_events(subject),
        proofs=tuple(_proofs(subject)),
        remedy=advice,
        request=request_of(finding, advice, names, subject.marked, settings),
        queries=tuple(_queries(subject, settings)),
        life=tuple(_life(finding, night.earlier.get(str(finding["finding_id"]), []))),
        related=tuple(_related(finding, night.open_findings)),
        links=tuple(links_of(documents, subject.organization, settings.links.organization)),
        absent=frames.absent,
    )


def _ledgers(subject: _Subject) -> Iterator[Ledger]:
    """The organization's own ledger, then those of others in which something of the finding stands."""
    if subject.organization is not None:
        week = subject.week
        near = [] if week is None else [entry for entry in subject.entries if week.start <= entry.at < week.end]
        yield ledger_of(subject.frames, subject.organization, subject.entries, subject.marked, near)
    purchases = [
        row
        for column in ("stripe_session_id", "entry_id")
        for name in subject.names
        for row in subject.frames.named(PACK_PURCHASES, column, name)
    ]
    organizations = sorted({str(row["organization_id"]) for row in purchases} - {subject.organization or ""})
    for organization in organizations[:LEDGERS]:
        entries = entries_of(subject.frames, organization)
        yield ledger_of(subject.frames, organization, entries, in_question(entries, subject.names), entries)


def _usage(subject: _Subject) -> UsageWeek | None:
    week = subject.week
    rows = [*_of_week(subject, WEEKLY_USAGE), *_of_week(subject, FOLLOWED_USAGE)]
    if week is None or not rows:
        return None
    evidence = _of_week(subject, METER_EXTRAS_EVIDENCE)
    remarks = {
        text_or_none(item, "entry_id") or text_or_none(item, "ref_id"): f"{item['cause']} ({item['rule']})"
        for item in evidence
    }
    carriers: dict[str | None, Entry] = {}
    for entry in subject.entries:
        if entry.kind in ("debit", "adjustment"):
            carriers.setdefault(entry.ref_id, entry)
    keys = [str(key) for key in cast("Sequence[object]", rows[0]["attribution_keys"])]
    steps = [_step(key, carriers.get(key), remarks) for key in keys]
    return UsageWeek(week.key, tuple(_first_in_question(steps)), len(steps))


def _step(key: str, entry: Entry | None, remarks: Mapping[str | None, str]) -> Step:
    if entry is None:
        return Step(key, None, None, None, remarks.get(key, ""))
    remark = "settlement" if key.startswith(SETTLEMENT) else ""
    return Step(key, -entry.units, entry.at, entry.entry_id, remarks.get(entry.entry_id, remark))


def _first_in_question(steps: Sequence[Step]) -> list[Step]:
    """The keys that are shown, in their order: those in question before the others."""
    places = sorted(range(len(steps)), key=lambda place: not steps[place].remark)
    return [steps[place] for place in sorted(places[:STEPS])]


def _of_week(subject: _Subject, table: Table) -> list[Row]:
    """The rows of a table about the week that is the finding's subject."""
    rows = subject.frames.of(table, subject.organization)
    return [row for row in rows if row["week_key"] == subject.finding["subject"]]


def _arithmetic(subject: _Subject, settings: Settings) -> Iterator[Amount]:
    finding, frames = subject.finding, subject.frames
    result = result_of(finding)
    for row in _of_week(subject, METER_EXTRAS_DELTAS):
        yield from week_amounts(row, _of_week(subject, METER_EXTRAS_EVIDENCE))
    if result == "disputes":
        for position in frames.named(DISPUTE_POSITIONS, "dispute_id", finding["subject"]):
            yield from dispute_amounts(position)
    elif result in ("charges", "refunds"):
        charges = [row for name in sorted(subject.names) for row in frames.named(STRIPE_CHARGES, "charge_id", name)]
        refunds = [row for charge in charges for row in frames.named(STRIPE_REFUNDS, "charge_id", charge["charge_id"])]
        going = [row for row in refunds if row["status"] not in CAME_BACK]
        yield from purchase_amounts(charges, going, subject.marked, settings.packs)
    elif result == "runaway" or finding["cause"] == "cached_balance":
        balances, runaways = (frames.of(table, subject.organization) for table in (EXTRAS_BALANCES, RUNAWAY_BALANCES))
        yield from balance_amounts(balances, runaways)


def _events(subject: _Subject) -> tuple[TimelineEvent, ...]:
    """The time line of the finding's dispute, or of a dispute about the same charge."""
    frames = subject.frames
    disputes = [row for name in sorted(subject.names) for row in frames.named(STRIPE_DISPUTES, "dispute_id", name)]
    if not disputes:
        return ()
    tables = (frames.frame(table) for table in (STRIPE_DISPUTES, DISPUTE_ENTRIES, PACK_PURCHASES))
    return timeline(str(disputes[0]["dispute_id"]), *tables)[:EVENTS]


def _proofs(subject: _Subject) -> Iterator[Proof]:
    for row in _of_week(subject, METER_EXTRAS_EVIDENCE)[:PROOFS]:
        yield Proof(
            text(row, "cause"),
            text(row, "rule"),
            text(row, "confidence"),
            number(row, "units"),
            text_or_none(row, "ref_id") or text_or_none(row, "entry_id"),
        )


def _queries(subject: _Subject, settings: Settings) -> Iterator[str]:
    if subject.week is not None and subject.organization is not None:
        yield from mongosh(subject.organization, subject.week, settings.collections)


def _life(finding: Mapping[str, Plain], earlier: Sequence[Row]) -> Iterator[NightOfLife]:
    for row in earlier:
        is_examined = row["state"] == "resolved" or row["last_seen"] == row["night"]
        state = text(row, "state") if is_examined else "not examined"
        cents = int(number(row, "usd_cents"))
        yield NightOfLife(text(row, "night"), state, text(row, "severity"), number(row, "units"), cents)


def _related(finding: Mapping[str, Plain], findings: Sequence[Row]) -> Iterator[Related]:
    """Other open findings of the same money, then those of the same organization."""
    family = {finding["finding_id"], finding.get("same_money_as")} - {None}
    same_money = [row for row in findings if family & {row["finding_id"], row.get("same_money_as")}]
    organization = finding["organization_id"]
    beside = [row for row in findings if organization is not None and row["organization_id"] == organization]
    for row in [*same_money, *(row for row in beside if row not in same_money)][:RELATED]:
        if row["finding_id"] != finding["finding_id"]:
            yield Related(
                text(row, "finding_id"),
                text(row, "kind"),
                text(row, "subject"),
                int(number(row, "usd_cents")),
                row in same_money,
            )
