"""Whether the audit log and the ledgers tell one story: every entry of ours has its record, and the other way round.

A fault that a person has looked into and that cannot be undone (records lost with a disk, say) is acknowledged: that
is a record as well, with a name and a reason, and the difference is shown as such from then on.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from billing_dq.credits.apply import MEMO_PREFIX, unverified_intents
from billing_dq.credits.audit import Record
from billing_dq.sources.mongodb.organization_ledger import WrittenCredit

Problem = Literal[
    "entry_without_record",  # an entry that this home wrote, by its memo, and that is in no record
    "entry_of_another",  # an entry with our reference that another home wrote, or nobody knows who
    "record_without_entry",  # a verified credit that is not in the ledgers any more
    "amount_differs",
    "not_verified",  # an interrupted credit: `credits apply` settles it
    "failed_verification",
    "older_than_the_log",  # no record, and none is expected: no memo of ours, and older than the first record
]

_HOME = re.compile(r", home ([0-9a-f]+)$")


@dataclass(frozen=True)
class Discrepancy:
    """One difference between log and ledgers; `older_than_the_log` is shown and is no fault."""

    problem: Problem
    dispute_id: str
    organization_id: str
    entry_id: str
    detail: str
    acknowledged_by: str | None = None

    @property
    def is_fault(self) -> bool:
        """Whether a person has to look at it."""
        return self.problem != "older_than_the_log" and self.acknowledged_by is None

    @property
    def forbids(self) -> bool:
        """Whether nothing may be credited before: the log does not tell what this home wrote."""
        return self.is_fault and self.problem in ("entry_without_record", "amount_differs", "failed_verification")


def compare(
    records: Sequence[Record], entries: Iterable[WrittenCredit], prefix: str, home: str = ""
) -> list[Discrepancy]:
    """Match records and ledger entries by entry id.

    Args:
        records: the audit log, its chain proved.
        entries: every ledger entry whose reference starts with ``prefix``.
        prefix: what stands before the dispute id in such a reference.
        home: the name of the log's home, which its guard keeps.
    """
    discrepancies: list[Discrepancy] = []
    homes = {home, *(str(record.facts.get("home")) for record in records if record.kind == "intent")}
    began = datetime.fromisoformat(records[0].at) if records else None
    intents = {str(record.facts["entry_id"]): record for record in records if record.kind == "intent"}
    verified = {str(record.facts["entry_id"]): record for record in records if record.kind == "verified"}
    entry_ids: set[str] = set()
    for entry in entries:
        entry_ids.add(entry.entry_id)
        dispute_id = entry.ref_id.removeprefix(prefix)
        intent = intents.get(entry.entry_id)
        if intent is None:
            discrepancies.append(_without_record(entry, dispute_id, began, homes))
        elif entry.amount != intent.facts["units"]:
            detail = f"the ledger has {entry.amount:,} units, the log {intent.facts['units']:,}"
            discrepancies.append(
                Discrepancy("amount_differs", dispute_id, entry.organization_id, entry.entry_id, detail)
            )
    for entry_id, record in verified.items():
        if entry_id not in entry_ids:
            discrepancies.append(
                _about(record, "record_without_entry", "a verified credit is not in the ledgers any more")
            )
    for intent in unverified_intents(records):
        if str(intent.facts["entry_id"]) in entry_ids or not intent.facts["closed"]:
            discrepancies.append(
                _about(intent, "not_verified", "interrupted before it was verified: run `credits apply`")
            )
    for record in records:
        if record.kind == "unverified":
            discrepancies.append(_about(record, "failed_verification", str(record.facts["wrong"])))
    actors = {str(record.facts.get("entry_id")): record.actor for record in records if record.kind == "acknowledged"}
    return [replace(difference, acknowledged_by=actors.get(difference.entry_id)) for difference in discrepancies]


def _without_record(entry: WrittenCredit, dispute_id: str, began: datetime | None, homes: set[str]) -> Discrepancy:
    """An entry in no record: ours where its memo names this home, or names none, as earlier releases wrote it."""
    memo = entry.memo or ""
    home = _HOME.search(memo)
    problem: Problem = "entry_of_another"
    if memo.startswith(MEMO_PREFIX) and (home is None or home[1] in homes):
        problem, detail = "entry_without_record", "no record, though its memo says that this system wrote it"
    elif memo.startswith(MEMO_PREFIX):
        detail = f"another home wrote it, {home[1] if home else ''}: two credit one database"
    elif entry.at is not None and (began is None or entry.at < began):
        problem, detail = (
            "older_than_the_log",
            "no record: it is older than the log, and carries no memo of this system",
        )
    else:
        detail = "no record, and no memo of this system: somebody else wrote it"
    return Discrepancy(problem, dispute_id, entry.organization_id, entry.entry_id, detail)


def _about(record: Record, problem: Problem, detail: str) -> Discrepancy:
    return Discrepancy(
        problem, str(record.dispute_id), str(record.organization_id), str(record.facts["entry_id"]), detail
    )
