"""The request that carries out the step of the runbook, with the finding's own names in it, to copy."""

import json
import math
import re
from collections.abc import Mapping, Sequence

from billing_dq.report.evidence.ledger import Entry
from billing_dq.report.figures import Plain
from billing_dq.report.runbook import Remedy
from billing_dq.settings import Settings
from billing_dq.vocabulary.references import CLAWBACK, REFUND

_CALL = re.compile(r"`((?:POST|DELETE) [^`]+)`")
_API = "/api/admin/billing"
#: What a correction is named after, by the beginning of its id; the subject where a kind is not here.
_NAMED_AFTER = {
    "session_in_two_ledgers": ("cs_",),
    "refund_clawback_wrong_units": ("re_", "pyr_"),
    "refund_clawed_back_twice": ("re_", "pyr_"),
    "refund_and_dispute_overlap": ("re_", "pyr_"),
}
#: Broken rules of a ledger whose units say what is owed.
_RULES = frozenset({"duplicate_ref", "duplicate_session", "expiry_twice", "expiry_too_much", "expiry_before_purchase"})


def request_of(
    finding: Mapping[str, Plain], remedy: Remedy, names: frozenset[str], entries: Sequence[Entry], settings: Settings
) -> str | None:
    """What to send to the application, or to write into its database; None where a person has to choose the words.

    Args:
        finding: a row of `FINDINGS`.
        remedy: what the runbook says.
        names: what the finding is about.
        entries: the ledger's entries in question.
        settings: the name of the collection, and the general ratio.
    """
    organization, units = finding["organization_id"], float(finding["units"] or 0)
    if not isinstance(organization, str):
        return None
    call = _CALL.search(remedy.do)
    if call is not None:
        address = call[1].replace("...", _API).replace(":orgId", organization)
        return address.replace(":id", str(finding["subject"]))
    if "by the credit tool" in remedy.do and units < 0:
        cents = math.ceil(-units * 100 / settings.dollars_to_units)
        return f'POST {_API}/dispute/credit/{organization}\n{{"amountCents": {cents}}}'
    reference = _reference(finding, remedy, names, entries)
    if reference is None or not units:
        return None
    return _entry(organization, -units, reference, settings.collections.billingextrabalances)


def _reference(
    finding: Mapping[str, Plain], remedy: Remedy, names: frozenset[str], entries: Sequence[Entry]
) -> str | None:
    """The `refId` of the entry that the runbook asks for; None where it asks for none, or several would do."""
    kind, subject = str(finding["kind"]), str(finding["subject"])
    if kind in ("refund_clawback_missing", "dispute_clawback_missing"):
        topups = [entry.entry_id for entry in entries if entry.kind == "topup"]
        refunds = [subject] if kind.startswith("dispute") else _beginning(names, ("re_", "pyr_"))
        prefix = CLAWBACK if kind.startswith("dispute") else REFUND
        return f"{prefix}{refunds[0]}-{topups[0]}" if len(topups) == len(refunds) == 1 else None
    if kind == "ledger_violation" and finding["cause"] not in _RULES:
        return None
    by_hand = "#an-entry-written-by-hand" in remedy.do or "`refund` entry" in remedy.do or "`adjustment`" in remedy.do
    beginnings = _NAMED_AFTER.get(kind)
    named = [subject] if beginnings is None else _beginning(names, beginnings)
    return f"correction-{named[0]}" if by_hand and named else None


def _beginning(names: frozenset[str], beginnings: tuple[str, ...]) -> list[str]:
    return sorted(name for name in names if name.startswith(beginnings))


def _entry(organization: str, units: float, reference: str, collection: str) -> str:
    """An entry written by hand, for `mongosh`; RUNBOOKS.md, "An entry written by hand"."""
    kind = "refund" if units < 0 else "adjustment"
    return "\n".join(
        (
            f'db.getCollection("{collection}").updateOne(',
            "  {",
            f'    organization: ObjectId("{organization}"),',
            f'    "ledger.refId": {{ $ne: {_quoted(reference)} }},',
            "  },",
            "  {",
            "    $push: { ledger: {",
            f'      _id: new ObjectId(), kind: "{kind}", amount: {units:.0f}, at: new Date(),',
            f"      refId: {_quoted(reference)},",
            "    } },",
            f"    $inc: {{ cachedBalance: {units:.0f} }},",
            "  },",
            ")",
        )
    )


def _quoted(text: str) -> str:
    """Text as a string of JavaScript; what it holds cannot end it."""
    return json.dumps(text)
