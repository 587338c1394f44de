"""The report of a night as one HTML page that needs nothing else: style, script, table component and pictures inside.

The findings travel as compressed JSON and are turned into text nodes by the table component, never into HTML. Whatever
else comes from data passes through the template, which escapes it. A content policy forbids the network and any other
script.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping
from importlib import resources

import jinja2

from billing_dq.reconcile.findings.incidents import incidents
from billing_dq.reconcile.findings.standing import is_open
from billing_dq.reconcile.followed_weeks import in_window
from billing_dq.reconcile.meter.sentences import number
from billing_dq.report import pictures
from billing_dq.report.colours import GRADE_COLOURS
from billing_dq.report.evidence import display
from billing_dq.report.figures import Plain, rows_of
from billing_dq.report.night import ReportNight
from billing_dq.report.runbook import as_html, remedy, runbook_text, sections
from billing_dq.report.verdicts import GRADES, changes, coverage
from billing_dq.report.words import command, dollars, owed, summary
from billing_dq.tables import FINDINGS
from billing_dq.vocabulary.severities import SEVERITIES
from billing_dq.vocabulary.titles import title
from billing_dq.vocabulary.verdicts import VERDICTS

#: Findings that the page holds; the others are counted. Characters of text that all of them share, and of one.
MOST_FINDINGS, TEXT, TEXT_OF_ONE = 10_000, 6_000_000, 4_000
#: Characters of HTML about single findings that the page holds; `billing-dq explain` shows the others.
EVIDENCE_TEXT = 1_000_000
#: Columns of a row of the findings' table, as `page.js` reads them; who accepted it and the command follow.
_COLUMNS = (
    *("severity", "change", "verdict", "kind", "organization_id", "subject", "usd_cents", "units", "nights_open"),
    *("cause", "explanation", "broken_since", "first_seen", "last_seen", "finding_id"),
)
#: Functions of `display` that templates use.
_DISPLAY = ("age", "amount", "day", "fields", "largest", "moment", "money")


def page(night: ReportNight) -> str:
    """The report as HTML."""
    told = summary(night)
    return (
        environment("billing_dq.report")
        .get_template("page.html.jinja")
        .render(
            night=night,
            told=told,
            shares=coverage(night.deltas_in_window),
            grades=GRADES,
            grade_colours=GRADE_COLOURS,
            first=[_first(row) for row in rows_of(told.first, FINDINGS.column_names)],
            pictures=_pictures(night),
            findings=_packed(night),
            left_out=max(0, len(night.findings) - MOST_FINDINGS),
            evidence=_evidence(night),
            runbook=list(sections(night.runbook, "runbook-")),
            style=_asset("page.css"),
            table_style=_component("dt_bundle.css"),
            table_script=_compressed(_component("dt_bundle.js")),
            script=_asset("page.js"),
            content_policy=content_policy(),
        )
    )


def content_policy() -> str:
    """What a browser may do for the page: run its own script and the table component that it unpacks, nothing else."""
    script_hash = base64.b64encode(hashlib.sha256(_asset("page.js").encode()).digest()).decode("ascii")
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{script_hash}' blob:; base-uri 'none'; form-action 'none'"
    )


def environment(*packages: str) -> jinja2.Environment:
    """The templates in ``assets`` of some packages, escaping everything, with the words of the report as filters."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package, "assets") for package in packages]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"dollars": dollars, "number": number, "owed": owed, "words": _words}
    environment.filters |= {"first_capital": _first_capital, "markdown": as_html, "title": title}
    environment.filters |= {name: getattr(display, name) for name in _DISPLAY}
    return environment


def _first(row: dict[str, Plain]) -> dict[str, Plain]:
    advice = remedy(runbook_text(), str(row["kind"]), None if row["cause"] is None else str(row["cause"]))
    return row | {"owed": owed(float(row["usd_cents"] or 0)), "step": _first_capital(advice.do)}


def _evidence(night: ReportNight) -> dict[str, str]:
    """The evidence of the first findings as HTML, by finding, as far as the page has room."""
    template = environment("billing_dq.report").get_template("evidence.html.jinja").make_module()
    shown: dict[str, str] = {}
    room = EVIDENCE_TEXT
    for evidence in night.evidence_of_first:
        html = str(template.evidence_body(evidence, "#runbook-", "#finding-"))  # type: ignore[attr-defined]
        room -= len(html)
        if room < 0:
            break
        shown[str(evidence.finding["finding_id"])] = html
    return shown


def _pictures(night: ReportNight) -> dict[str, str]:
    """The pictures by name; text that is safe as it is, since the renderer escapes what it draws."""
    open_ones = night.findings[is_open(night.findings)]
    return {
        "history": pictures.history_lines(night.history),
        "coverage": pictures.coverage_bar(coverage(night.deltas_in_window)),
        "causes": pictures.causes_by_units(in_window(night.evidence, night.snapshot.weeks)),
        "deltas": pictures.deltas_against_tolerance(night.deltas_in_window),
        "weeks": pictures.worst_weeks(night.deltas_in_window),
        "ageing": pictures.ageing(open_ones),
        "incidents": pictures.incident_times(incidents(night.evidence)),
    }


def _packed(night: ReportNight) -> str:
    """The findings for `page.js`: a list of rows. The more there are, the less text each may have."""
    shown = night.findings.assign(
        change=changes(night.findings, night.previous, night.night),
        verdict=night.verdict.map(dict(VERDICTS)),
    ).head(MOST_FINDINGS)
    limit = min(TEXT_OF_ONE, TEXT // max(1, len(shown)))
    rows = [
        [*(_clipped(row[name], limit) for name in _COLUMNS), _accepted(row), command(row, night.night)]
        for row in rows_of(shown, [*FINDINGS.column_names, "change"])
    ]
    return _compressed(json.dumps({"rows": rows, "severities": SEVERITIES}))


def _compressed(text: str) -> str:
    """Text as base64 of gzip; the page unpacks it."""
    return base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode("ascii")


def _accepted(row: Mapping[str, Plain]) -> str:
    if row["accepted_by"] is None:
        return ""
    until = "" if row["accepted_until"] is None else f" until {row['accepted_until']}"
    return f"accepted{until} by {row['accepted_by']}: {row['accepted_why']}"


def _clipped(value: Plain, limit: int) -> Plain:
    return f"{value[:limit]} …" if isinstance(value, str) and len(value) > limit else value


def _first_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _words(name: str) -> str:
    return {**VERDICTS}.get(name, name.replace("_", " "))


def _asset(name: str) -> str:
    return (resources.files("billing_dq.report") / "assets" / name).read_text(encoding="utf-8")


def _component(name: str) -> str:
    """A file of the table component, DataTables, as the package itables ships it."""
    return (resources.files("itables") / "html" / name).read_text(encoding="utf-8")
