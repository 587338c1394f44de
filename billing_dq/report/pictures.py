"""The pictures of a night, as SVG text: Altair draws, vl-convert renders, and nothing is fetched.

Text takes the colour of the page around it (`currentColor`), so that one picture serves light, dark and print. Each
function is given a table and gives an empty text where there is nothing to draw.
"""

# Altair's encodings are generated; a type checker sees unions there:
# pyright: reportArgumentType=false, reportCallIssue=false

from collections.abc import Mapping, Sequence
from itertools import pairwise

import altair as alt
import numpy as np
import pandas as pd
import vl_convert

from billing_dq.report.colours import GRADE_COLOURS, TO_CUSTOMERS, TO_US
from billing_dq.report.verdicts import GRADES, Share

SEVERITY_COLOURS = {"critical": "#8e1b2c", "error": "#c8413b", "warning": "#d8b13a", "info": "#8fa3ad"}
_LINES = {"unexplained": "#c8413b", "undecided": "#d8b13a", "by design": "#4f8a5b"}
_WORST_ORGANIZATIONS = 20
_AGES = ((1, 1, "tonight"), (2, 3, "2-3"), (4, 7, "4-7"), (8, 14, "8-14"), (15, 30, "15-30"), (31, 10**9, "over 30"))
#: How often the tolerance a difference is, by steps; the tolerance itself is the step from -1 to 1.
_STEPS = (-np.inf, -100.0, -10.0, -3.0, -1.0, 0.0, 1.0, 3.0, 10.0, 100.0, np.inf)

_CONFIG = {
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "title": {"color": "currentColor", "anchor": "start", "fontSize": 12, "fontWeight": 600},
    "axis": {
        "labelColor": "currentColor",
        "titleColor": "currentColor",
        "gridColor": "#88888833",
        "domainColor": "#88888899",
        "tickColor": "#88888899",
        "titleFontWeight": "normal",
    },
    "legend": {"labelColor": "currentColor", "titleColor": "currentColor"},
    "header": {"labelColor": "currentColor", "titleColor": "currentColor"},
    "text": {"color": "currentColor"},
}


def history_lines(history: pd.DataFrame) -> str:
    """The last nights as lines: dollars unexplained either way, and units by verdict.

    Args:
        history: ``night``, ``name``, ``value`` of `NIGHTLY_REPORT`.
    """
    wide = history.pivot(index="night", columns="name", values="value")
    wanted = {
        f"open.unexplained.cents_{side}": name for side, name in (("to_us", "to us"), ("to_customers", "to customers"))
    }
    if not set(wanted) <= set(wide.columns):
        return ""
    money = (wide[list(wanted)].rename(columns=wanted) / 100).rename_axis("side", axis=1).stack().rename("value")
    units = pd.DataFrame(
        {
            name.replace("_", " "): wide[f"open.{name}.units_to_us"] + wide[f"open.{name}.units_to_customers"]
            for name in ("unexplained", "undecided", "by_design")
        }
    )
    by_verdict = units.rename_axis("side", axis=1).stack().rename("value")
    left = _lines(money.reset_index(), "USD unexplained, owed", {"to us": TO_US, "to customers": TO_CUSTOMERS})
    right = _lines(by_verdict.reset_index(), "units, either way", _LINES)
    return svg((left | right).resolve_scale(color="independent"))


def coverage_bar(shares: Sequence[Share]) -> str:
    """The grades of all organization-weeks as one bar of 100 %."""
    rows = pd.DataFrame(
        {
            "grade": [GRADES[share.grade] for share in shares],
            "percent": [share.percent for share in shares],
            "order": range(len(shares)),
        }
    )
    if not rows["percent"].sum():
        return ""
    bar = (
        alt.Chart(rows)
        .mark_bar(height=22)
        .encode(
            x=alt.X("percent:Q", stack="zero", scale=alt.Scale(domain=[0, 100]), title="% of organization-weeks"),
            color=alt.Color("grade:N", scale=scale({GRADES[g]: c for g, c in GRADE_COLOURS.items()}), legend=None),
            order="order:O",
        )
        .properties(width=560, height=26)
    )
    return svg(bar)


def causes_by_units(evidence: pd.DataFrame) -> str:
    """Units of each cause, either way."""
    if evidence.empty:
        return ""
    rows = pd.DataFrame(
        {
            "cause": evidence["cause"].str.replace("_", " "),
            "units": evidence["units"],
            "side": np.where(evidence["units"] >= 0, "undercharged", "overcharged"),
        }
    )
    rows = rows.groupby(["cause", "side"], as_index=False)["units"].sum()
    chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("units:Q", title="units: undercharged to the right, overcharged to the left"),
            y=alt.Y("cause:N", sort=alt.EncodingSortField("units", op="sum", order="descending"), title=None),
            color=alt.Color("side:N", scale=scale({"undercharged": TO_US, "overcharged": TO_CUSTOMERS}), legend=LEGEND),
        )
    )
    return svg(chart.properties(width=380, height=alt.Step(18)))


def deltas_against_tolerance(deltas: pd.DataFrame) -> str:
    """How many organization-weeks differ by how many times their tolerance; exact ones are left out."""
    rows = deltas[(deltas["delta_units"] != 0) & deltas["diverged"].notna()]
    if rows.empty:
        return ""
    times = rows["delta_units"] / rows["tolerance_units"].where(rows["tolerance_units"] > 0, np.nan)
    times = times.fillna(np.sign(rows["delta_units"]) * np.inf)  # without a tolerance every difference is too large
    names = [_step(low, high) for low, high in pairwise(_STEPS)]
    # a difference of exactly the tolerance is no divergence, on either side
    edges = [np.nextafter(edge, -np.inf) if edge == -1.0 else edge for edge in _STEPS]
    counts = pd.cut(times, edges, labels=names, include_lowest=True).value_counts().reindex(names, fill_value=0)
    table = pd.DataFrame({"step": names, "weeks": counts.to_numpy(), "inside": [_inside(name) for name in names]})
    chart = (
        alt.Chart(table)
        .mark_bar()
        .encode(
            x=alt.X("step:O", sort=names, title="difference, in tolerances (plus: undercharged)", axis=FLAT),
            y=alt.Y("weeks:Q", scale=alt.Scale(type="symlog"), title="organization-weeks", axis=alt.Axis(tickCount=5)),
            color=alt.Color(
                "inside:N",
                scale=scale({"within the tolerance": GRADE_COLOURS["within_tolerance"], "diverged": "#c8413b"}),
                legend=LEGEND,
            ),
        )
    )
    return svg(chart.properties(width=520, height=170))


def worst_weeks(deltas: pd.DataFrame) -> str:
    """The organizations with the most unexplained units, by week, as a heat map."""
    open_ones = deltas[deltas["grade"].isin(["unexplained", "undecided"])]
    if open_ones.empty:
        return ""
    size = open_ones["unexplained_units"].abs().groupby(open_ones["organization_id"]).sum()
    worst = list(size.sort_values(ascending=False, kind="stable").index[:_WORST_ORGANIZATIONS])
    rows = deltas.loc[deltas["organization_id"].isin(worst), ["organization_id", "week_key", "unexplained_units"]]
    chart = (
        alt.Chart(rows.assign(organization=rows["organization_id"].str.slice(0, 24)))
        .mark_rect(stroke="#88888833")
        .encode(
            x=alt.X("week_key:O", title=None, axis=FLAT),
            y=alt.Y("organization:N", sort=[name[:24] for name in worst], title=None),
            color=alt.Color(
                "unexplained_units:Q",
                scale=alt.Scale(type="symlog", range=[TO_CUSTOMERS, "#88888822", TO_US], domainMid=0),
                legend=alt.Legend(title="units", type="symbol", tickCount=3),  # a gradient brings an id,
            ),
        )
    )
    return svg(chart.properties(width=alt.Step(64), height=alt.Step(15)))


def ageing(findings: pd.DataFrame) -> str:
    """For how many nights findings have been open, by severity."""
    if findings.empty:
        return ""
    names = [name for _, _, name in _AGES]
    age = pd.cut(findings["nights_open"], [0, *(high for _, high, _ in _AGES)], labels=names)
    rows = pd.DataFrame({"age": age.astype("str"), "severity": findings["severity"]})
    rows = rows.value_counts().rename("findings").reset_index()
    chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("age:O", sort=names, scale=alt.Scale(domain=names), title="nights open", axis=FLAT),
            y=alt.Y("findings:Q", title="findings", axis=alt.Axis(tickMinStep=1)),
            color=alt.Color("severity:N", scale=scale(SEVERITY_COLOURS), legend=LEGEND),
        )
    )
    return svg(chart.properties(width=380, height=170))


def incident_times(incidents: pd.DataFrame) -> str:
    """Incidents on a time line; the size is the number of organizations.

    Args:
        incidents: as `reconcile.findings.incidents.incidents` gives them.
    """
    if incidents.empty:
        return ""
    chart = (
        alt.Chart(incidents.assign(started=incidents["started"].dt.tz_localize(None)))
        .mark_circle(color="#c8413b", opacity=0.8)
        .encode(
            x=alt.X("started:T", title="begun (UTC)", axis=alt.Axis(format="%d %b %H:%M", labelAngle=0, tickCount=5)),
            y=alt.Y("units:Q", title="units not debited"),
            size=alt.Size("organizations:Q", legend=alt.Legend(title="organizations", tickCount=3)),
        )
    )
    return svg(chart.properties(width=380, height=120))


LEGEND = alt.Legend(title=None, orient="top")
FLAT = alt.Axis(labelAngle=0)


def _lines(rows: pd.DataFrame, title: str, colours: Mapping[str, str]) -> alt.Chart:
    present = {name: colour for name, colour in colours.items() if name in set(rows["side"])}
    dated = rows.assign(night=pd.to_datetime(rows["night"]))
    days = (dated["night"].max() - dated["night"].min()).days
    ticks = alt.TimeIntervalStep(interval="day", step=days // 4 + 1)  # without it, few nights are labelled twice
    return (
        alt.Chart(dated, title=title)
        .mark_line(point=True)
        .encode(
            x=alt.X("night:T", title=None, axis=alt.Axis(format="%d %b", tickCount=ticks, labelAngle=0)),
            y=alt.Y("value:Q", title=None, axis=alt.Axis(format="~s", tickCount=4)),
            color=alt.Color("side:N", scale=scale(present), legend=LEGEND),
        )
        .properties(width=230, height=120)
    )


def scale(colours: Mapping[str, str]) -> alt.Scale:
    """A scale of named colours, in their order."""
    return alt.Scale(domain=list(colours), range=list(colours.values()))


def _step(low: float, high: float) -> str:
    if np.isinf(low):
        return f"< {high:g}"
    return f"> {low:g}" if np.isinf(high) else f"{low:g} to {high:g}"


def _inside(name: str) -> str:
    return "within the tolerance" if name in ("-1 to 0", "0 to 1") else "diverged"


def svg(chart: alt.TopLevelMixin) -> str:
    """A chart as SVG text, which is safe in a page: the renderer escapes what it draws."""
    with alt.data_transformers.enable("default", max_rows=None):
        specification = chart.to_dict()
    return vl_convert.vegalite_to_svg(specification | {"config": _CONFIG}, vl_version="6.4")
