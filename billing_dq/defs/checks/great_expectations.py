"""The bridge to Great Expectations: `expectations` become Dagster checks, a step for each table.

The library is imported inside the check only (it costs seconds). Tables are validated by row group and only with the
columns that an expectation names; a row group holds whole organizations, so a key that is unique in each is unique.
"""

import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import dagster as dg
import pandas as pd

from billing_dq.defs.checks.expectations import Expectation, expectations
from billing_dq.defs.checks.night_checks import night_check
from billing_dq.report.figures import Plain, plain
from billing_dq.settings import Settings
from billing_dq.storage.arrow import to_pandas
from billing_dq.storage.stored_table import StoredTable

SAMPLES = 5


@dataclass
class Outcome:
    """What became of an expectation over all batches."""

    checked: int = 0
    unexpected: int = 0
    passed: bool = True
    samples: list[Plain] = field(default_factory=list[Plain])
    problem: str = ""


def expectation_checks(settings: Settings, nights: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks of every source table."""
    by_table = groupby(expectations(settings), key=lambda expected: expected.asset)
    return [_checks_of(asset, list(expected), nights) for asset, expected in by_table]


def validate(batches: Iterator[pd.DataFrame], expected: Sequence[Expectation]) -> dict[str, Outcome]:
    """Validate frames one after the other; the outcome of each expectation by name."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, about what it imports and calls
        return _validate(batches, expected)


def _validate(batches: Iterator[pd.DataFrame], expected: Sequence[Expectation]) -> dict[str, Outcome]:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations import expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig

    outcomes = {one.name: Outcome() for one in expected}
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    table = context.data_sources.add_pandas("night").add_dataframe_asset("table")
    whole = table.add_batch_definition_whole_dataframe("whole")
    for frame in batches:
        batch = whole.get_batch(batch_parameters={"dataframe": frame})
        for one in expected:
            expectation = getattr(gxe, one.kind)(**one.arguments)
            result = batch.validate(
                expectation, result_format={"result_format": "SUMMARY", "partial_unexpected_count": SAMPLES}
            )
            _add(outcomes[one.name], result.to_json_dict(), len(frame))
    return outcomes


def _add(outcome: Outcome, result: dict[str, object], rows: int) -> None:
    details = result.get("result")
    found = details if isinstance(details, dict) else {}
    outcome.checked += rows
    outcome.unexpected += int(found.get("unexpected_count") or 0)
    outcome.passed &= bool(result.get("success"))
    room = SAMPLES - len(outcome.samples)
    outcome.samples += [plain(value) for value in (found.get("partial_unexpected_list") or [])[:room]]
    raised = result.get("exception_info")
    if not result.get("success") and not found and isinstance(raised, dict):
        outcome.problem = str(raised)[:300]


def _checks_of(asset: str, expected: list[Expectation], nights: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    specs = [
        night_check(one.name, asset, f"{one.kind} {dict(one.arguments)}", nights, blocking=one.critical)
        for one in expected
    ]

    @dg.multi_asset_check(name=f"{asset}_expectations", specs=specs, ins={"table": dg.AssetIn(asset)}, can_subset=True)
    def checks(context: dg.AssetCheckExecutionContext, table: StoredTable) -> Iterator[dg.AssetCheckResult]:
        selected = {key.name for key in context.selected_asset_check_keys}
        wanted = [one for one in expected if one.name in selected]
        outcomes = validate(numpy_batches(table, sorted({name for one in wanted for name in one.columns})), wanted)
        for one in wanted:
            outcome = outcomes[one.name]
            yield dg.AssetCheckResult(
                passed=outcome.passed,
                check_name=one.name,
                asset_key=asset,
                severity=dg.AssetCheckSeverity.ERROR if one.critical else dg.AssetCheckSeverity.WARN,
                description=outcome.problem or f"{outcome.unexpected} of {outcome.checked} rows break it",
                metadata={
                    "rows": outcome.checked,
                    "unexpected": outcome.unexpected,
                    "samples": dg.MetadataValue.json(outcome.samples),
                },
            )

    return checks


def numpy_batches(table: StoredTable, columns: list[str]) -> Iterator[pd.DataFrame]:
    """Row groups with the named columns; text as objects, for Arrow-backed text is several times slower there."""
    for batch in table.batches(columns):
        frame = to_pandas(table.table, batch)
        yield frame.astype({name: object for name, dtype in frame.dtypes.items() if dtype == "str"})
