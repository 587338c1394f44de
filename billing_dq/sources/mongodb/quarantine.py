"""The documents that are not read: which they are, why, and what they leave in the dark."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd
from bson import ObjectId

from billing_dq.sources.mongodb.bson.contract import CollectionContract, is_week_key
from billing_dq.tables import QUARANTINED_DOCUMENTS, UNREADABLE_KEYS

DUPLICATE = "duplicate_key"

#: Between the text of an `_id` and its type.
_BESIDE = "\0"

#: Rows for one document; a ledger may hold a hundred thousand bad entries.
_MOST_FIELDS = 100
_HEX = re.compile(r"[0-9a-fA-F]{24}")


@dataclass
class Quarantine:
    """Collects quarantined documents."""

    _rows: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    _unreadable: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    _names: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])

    def add(self, contract: CollectionContract, document: Mapping[str, object], faults: Mapping[str, str]) -> None:
        """Quarantine a document for these faults, reasons by field; it leaves its organization's key unreadable."""
        name = self._named(contract, document)
        rows = list(faults.items())
        if len(rows) > _MOST_FIELDS:
            further = f"{len(rows) - _MOST_FIELDS} more break the contract"
            rows = [*rows[:_MOST_FIELDS], ("(further fields)", further)]
        for path, reason in rows:
            self._rows.append({"collection": contract.name, "document_id": name, "field": path, "reason": reason})
        if contract.organization is not None:
            week = document.get("weekKey")
            row: dict[str, object] = {
                "collection": contract.domain_name,
                "document_id": name,
                "organization_id": _organization(document.get(contract.organization)),
                "week_key": week if is_week_key(week) else None,
            }
            if contract.domain_name == "subscriptions":
                row |= _points_to(document)
            self._unreadable.append(row)

    def add_duplicate(self, contract: CollectionContract, document: Mapping[str, object], key: str) -> None:
        """Quarantine a document because a newer one has its key; that one is read, nothing is left in the dark."""
        name = self._named(contract, document)
        self._rows.append({"collection": contract.name, "document_id": name, "field": key, "reason": DUPLICATE})

    def tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """`quarantined_documents` and `unreadable_keys` of a part, of which `all_named` makes those of the night."""
        return QUARANTINED_DOCUMENTS.from_rows(self._rows), UNREADABLE_KEYS.from_rows(self._unreadable)

    def _named(self, contract: CollectionContract, document: Mapping[str, object]) -> str:
        """The text of a document's `_id`, and behind `_BESIDE` its type, which makes it different from all others."""
        identity = document.get("_id", "(no _id)")
        name = f"{identity}{_BESIDE}{type(identity).__name__}"
        self._names[contract.name, name] += 1
        times = self._names[contract.name, name]
        return name if times == 1 else f"{name} {times}"


def all_named(quarantined: pd.DataFrame) -> pd.DataFrame:
    """The rows of all parts of a night, with the names of documents as people know them, by collection and name.

    A name is the text of the `_id`; where two documents have the same (an ObjectId and that same text, or 1 and "1"),
    with its type. So it depends on the documents alone, and not on the order or the parts in which they were read.
    """
    parts = quarantined["document_id"].str.extract(f"(?s)^(?P<text>.*){_BESIDE}(?P<kind>.*)$")
    text, kind = parts["text"], parts["kind"]
    kinds = kind.groupby([quarantined["collection"], text]).transform("nunique")
    named = quarantined.assign(document_id=text.where(kinds == 1, text + " (" + kind + ")"))
    return named.sort_values(["collection", "document_id"], kind="stable", ignore_index=True)


def _points_to(document: Mapping[str, object]) -> dict[str, object]:
    """What a subscription document still tells of Stripe, so that its subscription is not taken for an unknown one."""
    subscription, customer = document.get("stripeSubscriptionId"), document.get("stripeCustomerId")
    subscription_id = subscription if isinstance(subscription, str) else None
    return {
        "stripe_subscription_id": "" if subscription is None else subscription_id,
        "stripe_customer_id": customer if isinstance(customer, str) and customer else None,
    }


def _organization(value: object) -> str | None:
    if isinstance(value, ObjectId):
        return str(value)
    return value.lower() if isinstance(value, str) and _HEX.fullmatch(value) else None
