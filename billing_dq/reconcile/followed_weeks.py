"""Which weeks a night follows, and in which window it looks at them again.

A week leaves the window while a finding about it is open. Only a night that examines the week can tell that the finding
ended or grew, so the night looks at it again, of this organization alone: in a window that reaches back so far. See
docs/tables.md, "The life of a finding".
"""

from dataclasses import replace

import pandas as pd

from billing_dq.reconcile.findings.quarantine import about_by_finding
from billing_dq.reconcile.findings.standing import is_open
from billing_dq.reconcile.inputs import ApplicationTables
from billing_dq.tables import FOLLOWED_WEEKS
from billing_dq.weeks import NightWeeks, Week, is_week_key


def weeks_to_follow(
    findings: pd.DataFrame, documents: pd.DataFrame, before: pd.DataFrame, night: NightWeeks, follow_weeks: int
) -> pd.DataFrame:
    """`FOLLOWED_WEEKS`: not too old, behind the window, with a finding that somebody has to act on.

    An accepted finding needs nobody while the acceptance holds, and one of severity `info` neither. But a week that
    was followed stays so until its finding is resolved or accepted: a night of another tolerance must not end that.

    Args:
        findings: `FINDINGS` of the newest earlier night, with what people accepted since.
        documents: `quarantine.DOCUMENT_COLUMNS` of the documents that its findings are about.
        before: `FOLLOWED_WEEKS` of that night.
        night: the weeks of the night.
        follow_weeks: the age, in weeks before the open one, up to which a week is followed.
    """
    today = night.as_of.date().isoformat()
    accepted = findings["accepted_by"].notna() & ~(findings["accepted_until"] < today).fillna(False).astype("bool")
    left = findings.loc[(is_open(findings)) & ~accepted]
    unread = about_by_finding(documents)
    known = set(before[FOLLOWED_WEEKS.column_names].itertuples(index=False, name=None))
    rows: list[tuple[str | None, str | None]] = []
    columns = ["finding_id", "organization_id", "subject", "severity"]
    for finding, organization, subject, severity in left[columns].itertuples(index=False, name=None):
        if is_week_key(subject) and (severity != "info" or (organization, subject) in known):
            rows.append((organization, subject))
        elif finding in unread and unread[finding][0] == "billingusages":
            rows.append(unread[finding][1:])
    weeks = pd.DataFrame(rows, columns=FOLLOWED_WEEKS.column_names, dtype="str").dropna().drop_duplicates()
    oldest = night.weeks[-1].shifted(-follow_weeks).key
    behind = (weeks["week_key"] < night.keys[0]) & (weeks["week_key"] >= oldest)
    return FOLLOWED_WEEKS.conform(weeks.loc[behind].sort_values(FOLLOWED_WEEKS.column_names))


def back_to_followed(ours: ApplicationTables) -> ApplicationTables:
    """The same tables, for a night whose window reaches back to the oldest followed week."""
    return replace(ours, weeks=ours.weeks.back_to(Week.parse(ours.followed_weeks["week_key"].min())))


def in_window(rows: pd.DataFrame, night: NightWeeks) -> pd.DataFrame:
    """Of rows with ``week_key`` those of the night's own weeks: what a figure about the whole company is made of."""
    return rows.loc[rows["week_key"].isin(night.keys)]


def only_followed(rows: pd.DataFrame, weeks: pd.Series, ours: ApplicationTables) -> pd.DataFrame:
    """Of rows with ``organization_id`` that are about these weeks, those of a followed week."""
    about = pd.MultiIndex.from_arrays([rows["organization_id"], weeks])
    return rows.loc[about.isin(pd.MultiIndex.from_frame(ours.followed_weeks))]
