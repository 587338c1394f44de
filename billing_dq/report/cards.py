"""Findings as cards of two lines: an incident of many organizations is one card, and opens into its members."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from billing_dq.reconcile.findings.incidents import incident_sentences
from billing_dq.report.figures import rows_of
from billing_dq.report.words import owed
from billing_dq.tables import FINDINGS
from billing_dq.vocabulary.titles import title


@dataclass(frozen=True)
class Card:
    """A finding, or the findings of one incident.

    Attributes:
        finding_ids: worst first.
        title: the money, the kind, and since when.
        text: why.
    """

    finding_ids: tuple[str, ...]
    title: str
    text: str


def incident_of(findings: pd.DataFrame, evidence: pd.DataFrame) -> "pd.Series[str]":
    """The incident that each finding is part of, in words; empty where it is part of none.

    Args:
        findings: `FINDINGS`.
        evidence: `METER_EXTRAS_EVIDENCE` of the same night.
    """
    sentences = incident_sentences(evidence)
    is_loss = (findings["kind"] == "meter_extras_divergence") & (findings["cause"] == "missing_debit")
    weeks = zip(findings["organization_id"], findings["subject"], is_loss, strict=True)
    told = [sentences.get((organization, week), "") if lost else "" for organization, week, lost in weeks]
    return pd.Series(told, index=findings.index, dtype="str")


def cards(findings: pd.DataFrame, incident: "pd.Series[str]", count: int | None) -> Iterator[Card]:
    """The first cards.

    Args:
        findings: `FINDINGS`, worst first.
        incident: of each; see `incident_of`.
        count: of cards at most; None: all.
    """
    key = incident.where(incident != "", findings["finding_id"])
    firsts = findings[~key.duplicated()].head(len(findings) if count is None else count)
    for row, name in zip(rows_of(firsts, FINDINGS.column_names), key[firsts.index], strict=True):
        members = findings[key == name] if name != row["finding_id"] else firsts.iloc[:0]
        kind, nights = title(str(row["kind"])), f"{row['nights_open']} night"
        nights += "" if row["nights_open"] == 1 else "s"
        if len(members):
            money = owed(float(members["usd_cents"].sum()))
            heading = f"{money or 'no money'}: {len(members)} findings, {kind}, {nights}"
            yield Card(tuple(members["finding_id"]), heading, str(name))
            continue
        money = owed(float(row["usd_cents"] or 0)) or "no money"
        if row["severity"] == "info":
            money += ", by design"
        why = f"{row['explanation']}{acceptance(row['accepted_by'], row['accepted_why'], row['accepted_until'])}"
        yield Card((str(row["finding_id"]),), f"{money}: {kind}, {row['severity']}, {nights}", why)


def acceptance(by: object, why: object, until: object) -> str:
    """Who accepted a finding, why and until when; empty where nobody did."""
    if not isinstance(by, str):
        return ""
    return f" (accepted{f' until {until}' if isinstance(until, str) else ''} by {by}: {why})"
