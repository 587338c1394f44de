"""Findings about documents that could not be read, and what a later night needs to know of these documents."""

from collections.abc import Iterator

import pandas as pd

from billing_dq.reconcile.findings import severity
from billing_dq.reconcile.findings.finding import Finding, finding_id_of, records, text, text_or_none

KIND = "quarantined_documents"
DOCUMENT_COLUMNS = ["collection", "document_id", "organization_id", "week_key"]


def quarantine_findings(
    quarantined: pd.DataFrame | None, quarantined_stripe: pd.DataFrame | None, unreadable: pd.DataFrame | None
) -> Iterator[Finding]:
    """One finding a document, whatever number of its fields are bad.

    Args:
        quarantined: `QUARANTINED_DOCUMENTS`; None: not examined.
        quarantined_stripe: `QUARANTINED_STRIPE_OBJECTS`, likewise.
        unreadable: `UNREADABLE_KEYS`, for what a document is about.
    """
    about: dict[str, tuple[str | None, str | None]] = {}
    if unreadable is not None:
        about = {
            text(row, "document_id"): (text_or_none(row, "organization_id"), text_or_none(row, "week_key"))
            for row in records(unreadable)
        }
    for frame in (quarantined, quarantined_stripe):
        if frame is None:
            continue
        reasons: dict[tuple[str, str], list[str]] = {}
        for row in records(frame):
            key = (text(row, "collection"), text(row, "document_id"))
            reasons.setdefault(key, []).append(f"{text(row, 'field')} {text(row, 'reason')}")
        for (collection, document), bad in reasons.items():
            organization, week = about.get(document, (None, None))
            yield Finding(
                kind=KIND,
                organization_id=organization,
                subject=document,
                severity=severity.OF_KIND[KIND],
                units=0.0,
                cause=None,
                explanation=_quarantine_sentence(collection, week, bad),
                aspect=collection,
            )


#: A document of many bad ledger entries has as many reasons; the table of quarantined documents has them all.
_REASONS = 3


def _quarantine_sentence(collection: str, week: str | None, reasons: list[str]) -> str:
    shown = "; ".join(sorted(reasons)[:_REASONS]) + (
        f"; and {more} more" if (more := len(reasons) - _REASONS) > 0 else ""
    )
    return f"a document of {collection}{f' for {week}' if week else ''} could not be read: {shown}"


def documents_of(quarantined: pd.DataFrame, unreadable: pd.DataFrame) -> pd.DataFrame:
    """What each quarantined document is, to be known to later nights.

    Args:
        quarantined: `QUARANTINED_DOCUMENTS` or `QUARANTINED_STRIPE_OBJECTS` of a night.
        unreadable: `UNREADABLE_KEYS` of that night.

    Returns:
        `DOCUMENT_COLUMNS`, one row a document; what the document is about is null where that is not known.
    """
    documents = quarantined[["collection", "document_id"]].drop_duplicates(ignore_index=True)
    about = unreadable.drop_duplicates("document_id", keep="last").set_index("document_id")
    columns = ("organization_id", "week_key")
    return documents.assign(**{name: documents["document_id"].map(about[name]).astype("str") for name in columns})


def about_by_finding(documents: pd.DataFrame) -> dict[str, tuple[str, str | None, str | None]]:
    """Collection, organization and week of documents (`documents_of`), by the id of the finding about each."""
    return {
        finding_id_of(KIND, None, text(row, "document_id"), text(row, "collection")): (
            text(row, "collection"),
            text_or_none(row, "organization_id"),
            text_or_none(row, "week_key"),
        )
        for row in records(documents)
    }
