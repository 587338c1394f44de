"""Findings that a person accepted: still listed, and red no more until they change.

See docs/tables.md, "Accepted findings". A ledger is append only and a closed week stays as it is, so some breaks can be
understood but not undone. An acceptance is of one finding as it was on one night. It lapses, and the finding comes
back, when the finding grows in units, money or severity, changes its cause, was resolved in between, or when the
acceptance's last night is over. A finding that came back once stays back until somebody accepts it anew.
"""

import pandas as pd

from billing_dq.reconcile.findings.severity import SEVERITIES, rank
from billing_dq.reconcile.findings.standing import is_open
from billing_dq.tables import FINDINGS

#: The columns of `FINDINGS` that tell an acceptance; all null where none holds.
ACCEPTANCE_COLUMNS = ("accepted_by", "accepted_why", "accepted_until")
_ROUNDING = 1e-6


def with_acceptances(
    findings: pd.DataFrame, previous: pd.DataFrame | None, acceptances: pd.DataFrame, night_key: str
) -> pd.DataFrame:
    """A night's findings with the acceptances that hold, in `FINDINGS`.

    A stored night given as its own `previous` shows what was accepted since it was taken.

    Args:
        findings: `FINDINGS` of the night.
        previous: `FINDINGS` of the newest earlier night; None: there is none.
        acceptances: `ACCEPTANCES`; what was recorded for later nights is left aside.
        night_key: the night, ``YYYY-MM-DD``.
    """
    newest = acceptances.loc[acceptances["night"] <= night_key].drop_duplicates("finding_id", keep="last")
    accepted = newest.loc[newest["accepted"]].set_index("finding_id")
    then = accepted.reindex(findings["finding_id"]).set_axis(findings.index)
    holds = then["night"].notna() & is_open(findings)
    holds &= _is_no_worse(findings, then) & (then["until"].isna() | (then["until"] >= night_key))
    holds &= (then["night"] == night_key) | ~_has_lapsed(findings, previous, then)
    columns = {f"accepted_{name}": then[name].where(holds).astype("str") for name in ("by", "why", "until")}
    return FINDINGS.conform(findings.assign(**columns))


def _is_no_worse(findings: pd.DataFrame, then: pd.DataFrame) -> pd.Series:
    """Whether a finding is as it was when it was accepted, or smaller."""
    accepted_rank = rank(then["severity"].fillna(SEVERITIES[0]))  # of what was not accepted it does not matter
    no_severer = rank(findings["severity"]) <= accepted_rank
    same_cause = (findings["cause"] == then["cause"]) | (findings["cause"].isna() & then["cause"].isna())
    grown = pd.Series(False, index=findings.index)
    for amount in ("units", "usd_cents"):
        now, accepted = findings[amount].astype("float64"), then[amount].astype("float64")
        grown |= (now.abs() > accepted.abs() + _ROUNDING) | (now * accepted < 0)
    return no_severer & same_cause & ~grown


def _has_lapsed(findings: pd.DataFrame, previous: pd.DataFrame | None, then: pd.DataFrame) -> pd.Series:
    """Whether an acceptance of an earlier night ended since: the finding went away, or stood unaccepted on a night."""
    is_another = findings["state"].isin(["new", "reopened"])
    if previous is None:
        return is_another
    before = previous.set_index("finding_id").reindex(findings["finding_id"]).set_axis(findings.index)
    came_back = (before["last_seen"] > then["night"]) & before["accepted_by"].isna()
    return is_another | came_back.fillna(False).astype("bool")
