"""The page about the data of a night: what is unusual, how it went from night to night, its shape, its tables.

It stands beside the report of the night and needs nothing else: no script, no network. All text from data passes
through the template, which escapes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from itertools import groupby

import jinja2
import pandas as pd

from billing_dq.quality.judgement import is_unusual, sentence
from billing_dq.quality.shape import changes
from billing_dq.report.data_pictures import sparkline
from billing_dq.report.figures import Plain, rows_of
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import add_files
from billing_dq.storage.placing import put_text
from billing_dq.storage.quality_history import is_complete, nights_before
from billing_dq.tables import COLUMN_PROFILES, DOCUMENT_SHAPES, NIGHT_MEASURES, TABLES

_SHOWN = ("collection", "measure", "week_key", "value", "unit", "expected", "lowest", "highest", "nights", "verdict")


@dataclass(frozen=True)
class Bar:
    """A word or range of a column: its rows tonight and the night before, and both in percent of all rows."""

    label: str
    now: float
    before: float | None
    now_percent: float
    before_percent: float


@dataclass(frozen=True)
class ColumnProfile:
    """A column tonight, beside the night before (None: it had none)."""

    name: str
    doc: str
    nulls: float
    nulls_before: float | None
    least: str
    greatest: str
    bars: list[Bar]


@dataclass(frozen=True)
class TableProfile:
    """A table tonight, beside the night before."""

    name: str
    one_row: str
    rows: float
    rows_before: float | None
    columns: list[ColumnProfile]


def data_page(lake: Lake, night: str) -> str:
    """The page as HTML.

    Raises:
        SourceError: the night is not stored.
    """
    measured = lake.require(NIGHT_MEASURES, night).frame()
    shapes = lake.require(DOCUMENT_SHAPES, night).frame()
    tonight = date.fromisoformat(night)
    profiled = reversed(lake.nights(COLUMN_PROFILES))
    before = next((one for one in profiled if one < night and is_complete(lake, one)), None)
    history = nights_before(lake, NIGHT_MEASURES, night)
    together = pd.concat([history, measured.assign(night=tonight)]) if len(history) else measured.assign(night=tonight)
    return (
        _environment()
        .get_template("data.html.jinja")
        .render(
            night=night,
            before=before,
            is_judged=bool((measured["verdict"] != "not_judged").any()),
            not_judged="too few nights" if is_complete(lake, night) else "the night is incomplete",
            unusual=[sentence(row) for row in rows_of(measured[is_unusual(measured)], _SHOWN)],
            measures=[{**row, "picture": sparkline(_same(together, row))} for row in rows_of(measured, _SHOWN)],
            changes=changes(shapes, nights_before(lake, DOCUMENT_SHAPES, night), tonight),
            shapes=shape_rows(shapes),
            tables=table_profiles(
                lake.require(COLUMN_PROFILES, night).frame(),
                None if before is None else lake.require(COLUMN_PROFILES, before).frame(),
            ),
            style=_asset("page.css"),
        )
    )


def store_data_page(lake: Lake, night: str) -> str:
    """Write the page beside the report, and say where it is."""
    path = lake.data_page_path(night)
    put_text(data_page(lake, night), path)
    add_files(lake, night, path)
    return str(path)


def shape_rows(shapes: pd.DataFrame) -> list[dict[str, Plain]]:
    """`DOCUMENT_SHAPES` as plain rows with their ``share`` in percent."""
    share = 100 * shapes["occurrences"] / shapes["population"].where(shapes["population"] > 0)
    return rows_of(shapes.assign(share=share.fillna(0.0).clip(upper=100.0)), [*DOCUMENT_SHAPES.column_names, "share"])


def table_profiles(profiles: pd.DataFrame, before: pd.DataFrame | None) -> list[TableProfile]:
    """The profiles of all tables, in the order of the contracts, beside those of the night before."""
    earlier = {} if before is None else _numbers(before)
    now = _numbers(profiles)
    rows = rows_of(profiles, COLUMN_PROFILES.column_names)
    by_table = {name: list(group) for name, group in groupby(rows, key=lambda row: str(row["table_name"]))}
    return [_table(name, by_table[name], now, earlier) for name in TABLES if name in by_table]


Numbers = Mapping[tuple[str, str, str, str], float]


def _table(name: str, rows: list[dict[str, Plain]], now: Numbers, before: Numbers) -> TableProfile:
    count = now[name, "", "rows", ""]
    columns = [
        _column(name, column, list(group), count, before)
        for column, group in groupby(rows, key=lambda row: str(row["column_name"]))
        if column
    ]
    return TableProfile(name, TABLES[name].one_row, count, before.get((name, "", "rows", "")), columns)


def _column(table: str, name: str, rows: list[dict[str, Plain]], count: float, before: Numbers) -> ColumnProfile:
    ends = {str(row["part"]): str(row["label"] or _number(row["number"])) for row in rows}
    all_before = before.get((table, "", "rows", ""), 0.0)
    bars = []
    for row in rows:
        if row["part"] in ("value", "range"):
            then = before.get((table, name, str(row["part"]), str(row["label"])))
            now = float(row["number"] or 0)
            bars.append(Bar(str(row["label"]), now, then, _percent(now, count), _percent(then or 0.0, all_before)))
    nulls = next((float(row["number"] or 0) for row in rows if row["part"] == "nulls"), 0.0)
    return ColumnProfile(
        name,
        next((column.doc for column in TABLES[table].columns if column.name == name), ""),
        nulls,
        before.get((table, name, "nulls", "")),
        ends.get("least", ""),
        ends.get("greatest", ""),
        bars,
    )


def _numbers(profiles: pd.DataFrame) -> dict[tuple[str, str, str, str], float]:
    keys = zip(*(profiles[name].astype(object) for name in COLUMN_PROFILES.key), strict=True)
    return {key: float(number) for key, number in zip(keys, profiles["number"], strict=True)}  # type: ignore[misc]


def _same(together: pd.DataFrame, row: Mapping[str, Plain]) -> pd.DataFrame:
    mine = (together["collection"] == row["collection"]) & (together["measure"] == row["measure"])
    return together[mine & (together["week_key"] == row["week_key"])]


def _percent(part: float, whole: float) -> float:
    return min(100.0, 100.0 * part / whole) if whole else 0.0


def _number(value: Plain) -> str:
    """A number without an exponent: whole from a hundred on, else three digits."""
    if value is None:
        return ""
    number = float(value)
    return f"{number:,.0f}" if abs(number) >= 100 or number == int(number) else f"{number:,.3g}"


def _measured(value: Plain, unit: str) -> str:
    return f"{float(value):.2%}" if unit == "share" and value is not None else _number(value)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("billing_dq.report", "assets"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"words": _words, "measured": _measured}
    return environment


def _asset(name: str) -> str:
    return (resources.files("billing_dq.report") / "assets" / name).read_text(encoding="utf-8")
