"""The pictures of one organization: its weeks, and its findings over the nights."""

# Altair's encodings are generated; a type checker sees unions there:
# pyright: reportArgumentType=false, reportCallIssue=false

from collections.abc import Sequence

import altair as alt
import pandas as pd

from billing_dq.reconcile.findings.standing import is_open
from billing_dq.report.evidence.ledger import Entry
from billing_dq.report.pictures import FLAT, GRADE_COLOURS, LEGEND, SEVERITY_COLOURS, scale, svg
from billing_dq.report.verdicts import GRADES
from billing_dq.serving.organizations import Story

_DEBITED, _EXPECTED = "#8fa3ad", "#2f7fc1"
_WIDTH = 720
#: Findings that the picture has room for.
_FINDINGS = 25
#: Entries of a ledger whose balance is drawn.
_ENTRIES = 2_000


def weeks(story: Story) -> str:
    """What was expected and what was debited, by week, and the differences under the colours of their grades."""
    if story.weeks.empty:
        return ""
    rows = story.weeks[["week_key", "expected_units", "actual_units", "delta_units"]].assign(
        grade=story.weeks["grade"].map(dict(GRADES)).fillna(story.weeks["grade"])
    )
    sides = rows.rename(columns={"expected_units": "expected", "actual_units": "debited"}).melt(
        ["week_key"], ["expected", "debited"], "side", "units"
    )
    colours = {"expected": _EXPECTED, "debited": _DEBITED}
    both = (
        alt.Chart(sides)
        .mark_bar()
        .encode(
            x=alt.X("week_key:O", title=None, axis=FLAT),
            xOffset=alt.XOffset("side:N", sort=list(colours)),
            y=alt.Y("units:Q", title="units", axis=alt.Axis(tickCount=5)),
            color=alt.Color("side:N", scale=scale(colours), legend=LEGEND),
        )
        .properties(width=_WIDTH, height=160)
    )
    if not rows["delta_units"].any():
        return svg(both)
    grades = {GRADES[grade]: colour for grade, colour in GRADE_COLOURS.items() if GRADES[grade] in set(rows["grade"])}
    difference = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("week_key:O", title=None, axis=FLAT),
            y=alt.Y("delta_units:Q", title="not debited", axis=alt.Axis(tickCount=4)),
            color=alt.Color("grade:N", scale=scale(grades), legend=LEGEND),
        )
        .properties(width=_WIDTH, height=90)
    )
    return svg((both & difference).resolve_scale(color="independent", x="shared"))


def findings(story: Story) -> str:
    """On which nights each finding was listed, under the colour of its severity."""
    if story.findings.empty:
        return ""
    rows = story.findings.assign(
        severity=story.findings["severity"].mask(~is_open(story.findings), "resolved"),
        finding=story.findings["kind"].str.replace("_", " ") + " " + story.findings["subject"].str.slice(0, 30),
    )
    shown = list(rows["finding"].drop_duplicates()[:_FINDINGS])
    rows = rows[rows["finding"].isin(shown)]
    colours = {**SEVERITY_COLOURS, "resolved": "#4f8a5b"}
    present = {name: colour for name, colour in colours.items() if name in set(rows["severity"])}
    nights = sorted(rows["night"].unique())
    labelled = nights[:: len(nights) // 12 + 1]
    chart = (
        alt.Chart(rows[["finding", "night", "severity"]])
        .mark_rect(stroke="#88888833")
        .encode(
            x=alt.X("night:O", title=None, axis=alt.Axis(labelAngle=0, values=labelled)),
            y=alt.Y("finding:N", sort=shown, title=None, axis=alt.Axis(labelLimit=360)),
            color=alt.Color("severity:N", scale=scale(present), legend=LEGEND),
        )
        .properties(width=min(480, 90 * len(nights)), height=alt.Step(18))
    )
    return svg(chart)


def balance(entries: Sequence[Entry]) -> str:
    """The balance over time, as far as the night read the ledger without a gap."""
    rows = pd.DataFrame(
        {"at": [entry.at for entry in entries], "balance": [entry.balance for entry in entries]}
    ).dropna()
    if len(rows) < 2:
        return ""
    rows = rows.assign(at=pd.to_datetime(rows["at"], utc=True).dt.tz_localize(None)).tail(_ENTRIES)
    chart = (
        alt.Chart(rows)
        .mark_line(interpolate="step-after", color=_EXPECTED)
        .encode(
            x=alt.X("at:T", title=None, axis=alt.Axis(format="%d %b", labelAngle=0, tickCount=8)),
            y=alt.Y("balance:Q", title="units", axis=alt.Axis(tickCount=5)),
        )
        .properties(width=_WIDTH, height=140)
    )
    return svg(chart)
