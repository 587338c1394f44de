"""Instants, amounts and fields as people write them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from billing_dq.report.evidence.record import Amount, Document, Evidence
from billing_dq.report.figures import Plain
from billing_dq.report.words import dollars

#: Currencies of Stripe's whose smallest unit is the currency itself.
_WITHOUT_CENTS = frozenset(
    (
        *("bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga"),
        *("pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"),
    )
)
_LABELS = {
    "stripe_session_id": "checkout session",
    "pack_id": "pack",
    "plan_version": "version of the plan",
    "usd_cents": "money",
    "last_invoice_event_at": "newest invoice event applied",
    "last_subscription_event_at": "newest subscription event applied",
    "admin_updated_at": "plan set by a person",
    "in_database": "here",
    "in_stripe": "at Stripe",
}
_STATES = {"new": "Open", "persisting": "Open", "reopened": "Open again", "resolved": "Resolved, after it was open"}
_UNITS = frozenset({"cached_balance", "meter_quota"})
#: What stands elsewhere on the page, or is said in words there.
_NOT_SHOWN = frozenset({"currency", "detail"})


def day(value: datetime | str) -> str:
    """A date as people write it: 20 Nov 2026."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{at.day} {at:%b %Y}"


def moment(value: datetime | str) -> str:
    """An instant as people write it, in UTC: 20 Nov 2026 14:02."""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return f"{day(at)} {at:%H:%M}"


def amount(value: float, unit: str) -> str:
    """So many units, or so much money of a currency, with its sign: 25,000 units, -$20.00, 18.50 EUR."""
    if unit == "units":
        return f"{value:,.0f} unit{'' if abs(value) == 1 else 's'}"
    sign = "-" if value < 0 else ""
    if unit == "usd":
        return sign + dollars(value)
    has_cents = unit not in _WITHOUT_CENTS
    return f"{sign}{abs(value) / (100 if has_cents else 1):,.{2 if has_cents else 0}f} {unit.upper()}"


def largest(amounts: Sequence[Amount]) -> float:
    """Where the longest bar of an arithmetic ends; 0 where none has a bar."""
    bars = [(line.start, line.start + (line.amount or 0)) for line in amounts if line.start is not None]
    return max((end for bar in bars for end in bar), default=0.0)


def money(evidence: Evidence) -> str:
    """What is owed to whom, as a sentence without its full stop."""
    return owed_by(evidence.finding)


def owed_by(finding: Mapping[str, Plain]) -> str:
    """What a finding amounts to, in words: nothing, what nobody owes, or what is owed to whom."""
    cents = float(finding["usd_cents"] or 0)
    if finding.get("same_money_as"):
        return f"The money is that of finding {finding['same_money_as']}"
    if not cents:
        return "No money is owed"
    if finding["severity"] == "info":
        return f"{dollars(cents)}, and nobody owes it"
    return f"{dollars(cents)} is owed to {'us' if cents > 0 else 'the customer'}"


def age(evidence: Evidence) -> str:
    """Since when it is known, and how it stands."""
    finding = evidence.finding
    nights = int(finding["nights_open"] or 0)
    broken = finding.get("broken_since")
    since = f"broken since {day(str(broken))}, " if broken else ""
    count = f"{nights} night{'' if nights == 1 else 's'}"
    first_night = f"{since}found on the night of {day(str(finding['first_seen']))}"
    return f"{_STATES.get(str(finding['state']), str(finding['state']))} for {count}: {first_night}"


def fields(document: Document) -> Iterator[tuple[str, str]]:
    """The fields of a document with their labels, but its own name."""
    for name, value in document.fields.items():
        if value is not None and str(value) != document.name and name not in _NOT_SHOWN:
            yield _label(name), _shown(name, value, document.fields)


def _label(name: str) -> str:
    words = _LABELS.get(name, name.removesuffix("_minor").removesuffix("_at").replace("_", " "))
    return words.removesuffix(" id")


def _shown(name: str, value: Plain, row: Mapping[str, Plain]) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_minor") and isinstance(value, int | float):
        return amount(value, str(row.get("currency", "usd")))
    if isinstance(value, int | float):
        return amount(value, "units") if name in _UNITS or name.endswith("units") else f"{value:,.4g}"
    text = str(value)
    is_instant = len(text) >= 19 and text[4:5] == "-" and text[10:11] == "T"
    return moment(text) if is_instant else text
