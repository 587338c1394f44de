"""Results of expectations in the form in which Great Expectations writes them: merged, stored, read.

Plain JSON throughout, so that nothing here needs the library. `<home>/lake/validations/<night>/<table>.json` is an
`ExpectationSuiteValidationResult`, which its tools open (docs/rules.md).
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any, NamedTuple

from upath import UPath

from billing_dq.storage.lake import Lake
from billing_dq.storage.placing import put_text

Result = dict[str, Any]  # JSON of another's making, whose parts differ from expectation to expectation
Plain = str | int | float | bool | None
#: As many failing rows as a result shows, at most.
ROWS = 20
_COUNTS = ("element_count", "unexpected_count", "missing_count")
_SAMPLES = ("partial_unexpected_list", "partial_unexpected_counts", "partial_unexpected_index_list")


class Verdict(NamedTuple):
    """What became of an expectation.

    Attributes:
        name: of the expectation.
        critical: whether it stops what rests on the table where it is not met.
        passed: whether it is met.
        checked: rows that were looked at.
        broken: rows that break it; of an expectation about a whole table 0 or 1.
        rows: the first of them: the columns by which a row is recognized, and the value in question.
        sentence: the result in one line.
        source: owner and file of an analyst's rule.
    """

    name: str
    critical: bool
    passed: bool
    checked: int
    broken: int
    rows: Sequence[Mapping[str, Plain]]
    sentence: str
    source: Mapping[str, str]

    @property
    def stops(self) -> bool:
        """Whether what rests on its table is not computed."""
        return self.critical and not self.passed


def merged(parts: Iterable[Sequence[Result]]) -> list[Result]:
    """The results of a suite for a whole table, from those for its parts."""
    by_expectation: dict[str, list[Result]] = {}
    for results in parts:
        for result in results:
            config = dict(result["expectation_config"], id=None)
            by_expectation.setdefault(json.dumps(config, sort_keys=True, default=str), []).append(result)
    return [_merged(results) for results in by_expectation.values()]


def _merged(results: Sequence[Result]) -> Result:
    # an expectation that raised in one part has no counts to add up: its error stands for the table
    raised = next((result for result in results if not result["result"]), None)
    if raised is not None or len(results) == 1:
        return raised or results[0]
    details = [result["result"] for result in results]
    rows, broken, missing = (sum(detail[name] for detail in details) for name in _COUNTS)
    share = broken / (rows - missing) if rows - missing else 0.0
    counts = {
        **dict(zip(_COUNTS, (rows, broken, missing), strict=True)),
        "missing_percent": 100 * missing / rows if rows else None,
        "unexpected_percent": 100 * share,
        "unexpected_percent_nonmissing": 100 * share,
        "unexpected_percent_total": 100 * broken / rows if rows else None,
    }
    samples = {name: [sample for detail in details for sample in detail.get(name, ())][:ROWS] for name in _SAMPLES}
    mostly = results[0]["expectation_config"]["kwargs"].get("mostly", 1.0)
    return {**results[0], "success": 1 - share >= mostly, "result": {**details[0], **counts, **samples}}


def path_of(lake: Lake, night: str, table: str) -> UPath:
    """Where the validation result of a table is, or will be."""
    return lake.root / "validations" / night / f"{table}.json"


def remove(lake: Lake, night: str) -> None:
    """Remove the validation results of a night, before it is judged anew."""
    directory = path_of(lake, night, "any").parent
    for path in directory.iterdir() if directory.exists() else ():
        path.unlink()


def store(lake: Lake, night: str, table: str, as_of: datetime, results: Sequence[Result]) -> None:
    """Store the validation result of a table: the same rows give the same bytes, so it has no time of its own."""
    met = sum(bool(result["success"]) for result in results)
    validation = {
        "success": met == len(results),
        "results": list(results),
        "suite_name": table,
        "suite_parameters": {},
        "statistics": {
            "evaluated_expectations": len(results),
            "successful_expectations": met,
            "unsuccessful_expectations": len(results) - met,
            "success_percent": 100 * met / len(results) if results else None,
        },
        "meta": {
            "great_expectations_version": version("great_expectations"),
            "run_id": {"run_name": night, "run_time": as_of.isoformat()},
            "active_batch_definition": {
                "datasource_name": "billing_dq",
                "data_connector_name": "fluent",
                "data_asset_name": table,
                "batch_identifiers": {"night": night},
            },
        },
        "id": None,
    }
    put_text(json.dumps(_finite(validation), indent=1, allow_nan=False), path_of(lake, night, table))


def stored(lake: Lake, night: str, table: str) -> list[Result]:
    """The stored results of a table; none where it was not judged."""
    path = path_of(lake, night, table)
    return json.loads(path.read_text(encoding="utf-8"))["results"] if path.exists() else []


def verdicts_of(results: Iterable[Result]) -> list[Verdict]:
    """What became of each expectation."""
    return [_verdict(result) for result in results]


def _verdict(result: Result) -> Verdict:
    config, details = result["expectation_config"], result["result"]
    rows: list[Mapping[str, Plain]] = []
    checked, broken = 0, int(not result["success"])
    if "unexpected_count" in details:
        checked, broken = details["element_count"], details["unexpected_count"]
        names = details.get("unexpected_index_column_names", ())  # by which a row is recognized; they stand first
        rows = [dict.fromkeys(names) | row for row in details.get("partial_unexpected_index_list") or []]
        assert broken <= checked, f"{broken} of {checked} rows cannot break {config['meta']['name']}"
        sentence = f"{broken:,} of {checked:,} rows break it"
    elif "details" in details:  # of a query
        broken, rows = details["observed_value"], details["details"]["unexpected_rows"]
        sentence = f"{broken:,} rows are wrong"
    elif "observed_value" in details:
        sentence = f"it is {details['observed_value']}"
    else:
        sentence = f"it could not be judged: {_reason(result.get('exception_info'))}"
    return Verdict(
        name=config["meta"]["name"],
        critical=config["severity"] == "critical",
        passed=bool(result["success"]),
        checked=checked,
        broken=broken,
        rows=rows[:ROWS],
        sentence=sentence,
        source={key: config["meta"][key] for key in ("owner", "file") if key in config["meta"]},
    )


def _reason(raised: object) -> str:
    """The words of an exception in the library, which come by metric, or by themselves."""
    if isinstance(raised, dict):
        message = raised.get("exception_message")
        return str(message)[:300] if message else next((_reason(part) for part in raised.values() if part), "no reason")
    return "no reason"


def _finite(value: Any) -> Any:
    """JSON knows neither NaN nor infinity; such a number is null."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
