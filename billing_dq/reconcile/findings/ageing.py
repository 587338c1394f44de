"""The ageing of findings from night to night: new, persisting, resolved, reopened.

See docs/tables.md, "States of a finding".

A night's table lists everything that is open, and what this night resolved, once. A finding that the night could not
examine stays open as it was: `persisting`, with its old `last_seen`. Nothing that somebody has to act on leaves the
table unresolved. What needs nobody, an `info` or accepted finding that no later night can examine since its week left
the window, is kept for `KEEP_DAYS` after its last sight, so that the table does not grow for ever.

`nights_open` counts the nights taken whose table lists the finding as open, from its first sight on; a reopened one
goes on counting. The same inputs give the same table, so a night can be run again.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd

from billing_dq.reconcile.findings.acceptance import ACCEPTANCE_COLUMNS
from billing_dq.reconcile.findings.examination import Coverage
from billing_dq.reconcile.findings.finding_inputs import FindingInputs
from billing_dq.reconcile.findings.night_findings import plain_findings
from billing_dq.reconcile.findings.shared_money import owning_again
from billing_dq.reconcile.findings.standing import is_accepted, is_open
from billing_dq.tables import FINDINGS
from billing_dq.weeks import NightWeeks, is_week_key

KEEP_DAYS = 92

#: Said of a finding whose week is neither in the window nor followed.
NOT_LOOKED_AT = " No night looks at this week any more."

#: Whether a night examined a finding: kind, organization, subject and finding id in, yes or no out.
WasExamined = Callable[[str, str | None, str, str], bool]


def findings_of_night(
    inputs: FindingInputs,
    previous: pd.DataFrame | None,
    night: str,
    weeks: NightWeeks,
    dollars_to_units: float,
    runbook_url: str,
) -> pd.DataFrame:
    """All findings of a night with their ageing, in `FINDINGS`; see `plain_findings` and `with_ageing`."""
    tonight, coverage = plain_findings(inputs, weeks, dollars_to_units, runbook_url), Coverage(inputs, weeks)
    aged = owning_again(with_ageing(tonight, previous, night, coverage.covers), dollars_to_units)
    return _saying_what_is_left_behind(aged, night, coverage)


def known_before(nights: Sequence[pd.DataFrame]) -> pd.DataFrame | None:
    """What is known before a night: the newest earlier night's findings, and what older ones resolved.

    Args:
        nights: `FINDINGS` of stored earlier nights, oldest first. The newest alone is enough for everything but
            telling a finding that comes back after more than one night from a new one.
    """
    if not nights:
        return None
    older = [frame.loc[~is_open(frame)] for frame in nights[:-1]]
    known = pd.concat([*older, nights[-1]]).drop_duplicates("finding_id", keep="last")
    return FINDINGS.conform(known)


def with_ageing(
    tonight: pd.DataFrame, previous: pd.DataFrame | None, night: str, was_examined: WasExamined
) -> pd.DataFrame:
    """Tonight's findings and the open ones of the night before, with their ageing, in `FINDINGS`, by finding_id.

    Args:
        tonight: plain findings.
        previous: `FINDINGS` of the newest stored earlier night, or `known_before` of several; None: there is none.
        night: the night, ``YYYY-MM-DD``.
        was_examined: whether tonight examined an earlier finding that it did not find.
    """
    before = FINDINGS.empty() if previous is None else previous
    was_open = is_open(before)
    found = _found(tonight, before.set_index("finding_id"), night)

    gone = before.loc[was_open & ~before["finding_id"].isin(tonight["finding_id"])]
    examined = np.array(
        [
            was_examined(kind, organization if isinstance(organization, str) else None, subject, finding_id)
            for kind, organization, subject, finding_id in gone[
                ["kind", "organization_id", "subject", "finding_id"]
            ].itertuples(index=False, name=None)
        ],
        dtype="bool",
    )
    resolved = gone.loc[examined].assign(state="resolved", **dict.fromkeys(ACCEPTANCE_COLUMNS, None))
    kept = _worth_keeping(gone.loc[~examined], night).assign(state="persisting")
    kept = kept.assign(nights_open=kept["nights_open"] + 1)
    return FINDINGS.conform(pd.concat([found, resolved, kept]).sort_values("finding_id"))


def _saying_what_is_left_behind(findings: pd.DataFrame, night: str, coverage: Coverage) -> pd.DataFrame:
    """The findings; those that no night can examine any more say so, once."""
    carried = findings.loc[is_open(findings) & (findings["last_seen"] < night)]
    left = [
        row
        for row, organization, subject in carried[["organization_id", "subject"]].itertuples(name=None)
        if is_week_key(subject) and not coverage.looks_at(organization, subject)
    ]
    told = findings.loc[left, "explanation"].str.removesuffix(NOT_LOOKED_AT) + NOT_LOOKED_AT
    return findings.assign(explanation=told.reindex(findings.index).fillna(findings["explanation"]))


def _found(tonight: pd.DataFrame, before: pd.DataFrame, night: str) -> pd.DataFrame:
    state_before = tonight["finding_id"].map(before["state"])
    known = state_before.notna()
    state = pd.Series("persisting", index=tonight.index)
    state = state.mask(~known, "new").mask(state_before == "resolved", "reopened")
    return tonight.assign(
        **dict.fromkeys(ACCEPTANCE_COLUMNS, None),
        state=state,
        first_seen=tonight["finding_id"].map(before["first_seen"]).astype("str").fillna(night),
        last_seen=night,
        nights_open=tonight["finding_id"].map(before["nights_open"]).fillna(0).astype("int64") + 1,
    )


def _worth_keeping(carried: pd.DataFrame, night: str) -> pd.DataFrame:
    oldest = (date.fromisoformat(night) - timedelta(days=KEEP_DAYS)).isoformat()
    needs_nobody = (carried["severity"] == "info") | (is_accepted(carried) & carried["accepted_until"].isna())
    return carried.loc[~needs_nobody | (carried["last_seen"] >= oldest)]
