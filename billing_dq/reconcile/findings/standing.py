"""How a finding stands on a night: open, new, resolved or accepted, and what it amounts to.

The one definition of each (docs/tables.md, "States of a finding" and "Verdicts"), for page, alert, run tag, command and
table.
"""

import pandas as pd


def is_open(findings: pd.DataFrame) -> "pd.Series[bool]":
    """Whether each of `FINDINGS` is not resolved; one that the night could not examine stays open."""
    return findings["state"] != "resolved"


def is_new(findings: pd.DataFrame) -> "pd.Series[bool]":
    """Whether no stored night had each of `FINDINGS` before; one that came back is `reopened`, not new."""
    return findings["state"] == "new"


def is_accepted(findings: pd.DataFrame) -> "pd.Series[bool]":
    """Whether an acceptance of each finding holds: nobody has to act on it."""
    return findings["accepted_by"].notna()


def seen_open(findings: pd.DataFrame, night: str) -> pd.DataFrame:
    """What a night itself found: neither resolved, nor carried over unexamined.

    Checks, exit statuses, sums of money and the headline are of these.
    """
    return findings.loc[is_open(findings) & (findings["last_seen"] == night)]


def verdicts(findings: pd.DataFrame) -> "pd.Series[str]":
    """What each of `FINDINGS` amounts to, one of `VERDICTS`: what the rules said, unless a person accepted it.

    Nights of releases that stored no verdict tell by the severity alone.
    """
    by_severity = (findings["severity"] == "info").map({True: "by_design", False: "unexplained"}).astype("str")
    return findings["verdict"].fillna(by_severity).mask(is_accepted(findings), "accepted").astype("str")
