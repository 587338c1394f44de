"""The evidence of a finding on a terminal: readable at 80 columns, and no id is broken."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence

from billing_dq.reconcile.disputes.timeline import TimelineEvent
from billing_dq.report.evidence.display import age, amount, day, fields, largest, moment, money
from billing_dq.report.evidence.record import Amount, Evidence, Ledger, UsageWeek
from billing_dq.report.runbook import as_text
from billing_dq.report.visible import visible
from billing_dq.vocabulary.titles import title

_BAR = 24
_SIDES = {"application": "In the application", "Stripe": "At Stripe", "billing_dq": "What this night concluded"}


def evidence_lines(evidence: Evidence, width: int) -> Iterator[str]:
    """The lines, what matters first."""
    finding = evidence.finding
    yield from _wrapped(f"{money(evidence)}: {title(str(finding['kind']))}", width, "")
    yield from _wrapped(str(finding["explanation"]), width, "")
    yield from _wrapped(age(evidence), width, "")
    for name, label in (
        *(("organization_id", "organization"), ("subject", "subject")),
        *(("kind", "kind"), ("severity", "severity"), ("finding_id", "finding")),
    ):
        if finding[name]:
            yield f"{label:13} {visible(str(finding[name]))}"
    if finding["accepted_by"]:
        yield from _wrapped(f"accepted by {finding['accepted_by']}: {finding['accepted_why']}", width, "")
    yield from _section("What to do", _remedy(evidence, width))
    for ledger in evidence.ledgers:
        yield from _section(_heading(ledger), _ledger(ledger))
    if evidence.usage is not None:
        yield from _section(f"The usage document of {evidence.usage.week_key}", _usage(evidence.usage))
    yield from _section("The arithmetic", amount_lines(evidence.arithmetic, width))
    yield from _section("What happened (UTC)", event_lines(evidence.events))
    for side, heading in _SIDES.items():
        yield from _section(heading, _documents(evidence, side, width))
    yield from _section("Why, and how sure", _sureness(evidence, width))
    yield from _section("Over the nights", _life(evidence))
    yield from _section("Also open", _related(evidence))
    yield from _section(
        "Links", (line for link in evidence.links for line in (f"  {link.label}", f"    {link.address}"))
    )
    yield from _section("The raw documents, in mongosh", (f"  {query}" for query in evidence.queries))
    yield from _section("Not stored", (line for text in evidence.absent for line in _wrapped(text, width)))


def _section(heading: str, lines: Iterable[str]) -> Iterator[str]:
    listed = [*lines]
    if listed:
        yield from ("", heading, *listed)


def _wrapped(text: str, width: int, indent: str = "  ") -> list[str]:
    return textwrap.wrap(
        visible(text),
        width,
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _remedy(evidence: Evidence, width: int) -> Iterator[str]:
    remedy = evidence.remedy
    if remedy.do:
        yield from _wrapped(_sentence(as_text(remedy.do)), width)
    if evidence.request:
        yield ""
        yield from (f"    {line}" for line in evidence.request.splitlines())
        yield ""
    if remedy.done_when:
        yield from _wrapped(f"It is gone when: {as_text(remedy.done_when)}", width)
    yield f'  Or live with it: billing-dq findings accept {evidence.finding["finding_id"]} --why "..."'


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _heading(ledger: Ledger) -> str:
    if ledger.entry_count is None:
        return f"The ledger of {ledger.organization_id}"
    entries = "1 entry" if ledger.entry_count == 1 else f"{ledger.entry_count:,} entries"
    return f"The ledger of {ledger.organization_id}, {entries}"


def _ledger(ledger: Ledger) -> Iterator[str]:
    if not ledger.lines:
        yield "  The night read no entry of it."
        return
    yield f"    {'at (UTC)':17} {'kind':10} {'units':>12} {'balance':>12}"
    for line in ledger.lines:
        if line.cut_before:
            yield f"    ... {line.cut_before:,} more"
        balance = "" if line.balance is None else f"{line.balance:,.0f}"
        mark = ">" if line.in_question else " "
        yield f"  {mark} {moment(line.at):17} {visible(line.kind):10} {line.units:>+12,.0f} {balance:>12}"
        if line.reference:
            yield f"      {visible(line.reference)}"
    if ledger.cut_after:
        yield f"    ... {ledger.cut_after:,} more"
    if ledger.balance is not None:
        yield f"    {'balance now':41} {ledger.balance:>12,.0f}"


def _usage(usage: UsageWeek) -> Iterator[str]:
    for step in usage.steps:
        units = "no debit" if step.debited is None else f"{step.debited:,.0f}"
        yield f"  {'>' if step.remark else ' '} {units:>12}  {visible(step.key)}"
        if step.remark and step.debited is not None:
            yield f"                  {visible(step.remark)}"
    if usage.step_count > len(usage.steps):
        yield f"    ... {usage.step_count - len(usage.steps):,} more keys"


def amount_lines(amounts: Sequence[Amount], width: int) -> Iterator[str]:
    """The lines of an arithmetic, with a bar where a line has one."""
    longest = largest(amounts)
    for one in amounts:
        value = "" if one.amount is None else amount(one.amount, one.unit)
        bar = "" if one.start is None or not longest else _bar(one.start, one.amount or 0, longest)
        text = f"  {visible(one.label):24} {value:>18}  {bar or visible(one.note)}".rstrip()
        yield text if len(text) <= width else text[: width - 3] + "..."


def _bar(start: float, length: float, longest: float) -> str:
    first, last = (round(max(0.0, place) / longest * _BAR) for place in sorted((start, start + length)))
    return " " * first + "#" * max(1, last - first)


def event_lines(events: Sequence[TimelineEvent]) -> Iterator[str]:
    """The time line of a dispute."""
    for event in events:
        value = amount(event.amount, event.unit)
        yield f"  {moment(event.at):17} {event.side:7} {value:>14}  {visible(event.event)}"
        if event.reference:
            yield f"  {'':17} {visible(event.reference)}"


def _documents(evidence: Evidence, side: str, width: int) -> Iterator[str]:
    for document in evidence.documents:
        if document.side == side:
            yield f"  {document.what} {visible(document.name)}"
            text = ", ".join(f"{label} {value}" for label, value in fields(document))
            yield from _wrapped(text, width, "    ")


def _sureness(evidence: Evidence, width: int) -> Iterator[str]:
    for proof in evidence.proofs:
        units = "" if not proof.units else f", {amount(proof.units, 'units')}"
        yield f"  {proof.cause} ({proof.rule}), {proof.confidence}{units}".replace("_", " ")
        if proof.reference:
            yield f"    {visible(proof.reference)}"
    if evidence.remedy.how_sure:
        yield from _wrapped(as_text(evidence.remedy.how_sure), width)


def _life(evidence: Evidence) -> Iterator[str]:
    for night in evidence.life:
        yield f"  {day(night.night):12} {night.state:13} {night.severity:9} {amount(night.usd_cents, 'usd'):>12}"


def _related(evidence: Evidence) -> Iterator[str]:
    for one in evidence.related:
        shares = "the same money: " if one.is_same_money else ""
        yield f"  {one.finding_id}  {amount(one.usd_cents, 'usd'):>10}  {shares}{title(one.kind)}"
        yield f"  {'':18}{visible(one.subject)}"
