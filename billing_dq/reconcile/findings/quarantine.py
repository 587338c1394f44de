"""Findings about documents that could not be read. Their sentence is where their collection and week are kept."""

import re
from collections.abc import Iterator

import pandas as pd

from billing_dq.reconcile.findings import severity
from billing_dq.reconcile.findings.finding import Finding, records, text, text_or_none


def quarantine_findings(
    quarantined: pd.DataFrame | None, quarantined_stripe: pd.DataFrame | None, unreadable: pd.DataFrame | None
) -> Iterator[Finding]:
    """One finding a document, whatever number of its fields are bad.

    Args:
        quarantined: `QUARANTINED_DOCUMENTS`; None: not examined.
        quarantined_stripe: `QUARANTINED_STRIPE_OBJECTS`, likewise.
        unreadable: `UNREADABLE_KEYS`, for what a document is about.
    """
    dark: dict[str, tuple[str | None, str | None]] = {}
    if unreadable is not None:
        dark = {
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
            organization, week = dark.get(document, (None, None))
            yield Finding(
                kind="quarantined_documents",
                organization_id=organization,
                subject=document,
                severity=severity.OF_KIND["quarantined_documents"],
                units=0.0,
                cause=None,
                explanation=_quarantine_sentence(collection, week, bad),
                aspect=collection,
            )


_QUARANTINE = re.compile(r"a document of (?P<collection>.+?)(?: for (?P<week>[0-9]{4}-W[0-9]{2}))? could not be read: ")
#: A document of many bad ledger entries has as many reasons; the table of quarantined documents has them all.
_REASONS = 3


def _quarantine_sentence(collection: str, week: str | None, reasons: list[str]) -> str:
    told = "; ".join(sorted(reasons)[:_REASONS]) + (
        f"; and {more} more" if (more := len(reasons) - _REASONS) > 0 else ""
    )
    return f"a document of {collection}{f' for {week}' if week else ''} could not be read: {told}"


def quarantined_where(explanation: str) -> tuple[str, str | None]:
    """Collection and week of a quarantined document's finding, which stand nowhere else than in its sentence.

    Raises:
        ValueError: the sentence is not one of a quarantined document.
    """
    match = _QUARANTINE.match(explanation)
    if match is None:
        raise ValueError(f"not the sentence of a quarantined document: {explanation!r}")
    return match["collection"], match["week"]
