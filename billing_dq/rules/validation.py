"""The bridge to Great Expectations, the one place where it is imported, and only when a table is judged."""

import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache

import pandas as pd

from billing_dq.rules.results import ROWS, Result, merged
from billing_dq.rules.suites import Expectation


@dataclass(frozen=True)
class Suite:
    """What is to be validated of a table.

    Attributes:
        table: its name.
        expectations: of its suite, or of analysts.
        row_names: the columns by which a failing row is recognized.
        parameters: the values of the night that arguments stand for.
    """

    table: str
    expectations: Sequence[Expectation]
    row_names: Sequence[str]
    parameters: Mapping[str, object]


def validate(frames: Iterable[pd.DataFrame], suite: Suite) -> list[Result]:
    """The results of a suite, as Great Expectations writes them.

    Args:
        frames: the table in parts, with text as objects (Arrow's text is several times slower there). Only one is held
            at a time, and the counts of the parts are added up; so what is expected of all rows at once takes one part.
        suite: what is expected.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, about what it imports and calls
        return merged(_validator()(frame, suite) for frame in frames)


@cache
def _validator() -> Callable[[pd.DataFrame, Suite], list[Result]]:
    """Validates a frame, in this process and without progress bars.

    Once a process: each context leaves a directory behind.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    source = context.data_sources.add_pandas("billing_dq")
    definition_of = cache(lambda table: source.add_dataframe_asset(table).add_batch_definition_whole_dataframe("night"))

    def of_frame(frame: pd.DataFrame, suite: Suite) -> list[Result]:
        expectations = [asdict(expectation) for expectation in suite.expectations]
        row_names = {"unexpected_index_column_names": list(suite.row_names)} if suite.row_names else {}
        validated = (
            definition_of(suite.table)
            .get_batch(batch_parameters={"dataframe": frame})
            .validate(
                gx.ExpectationSuite(name=suite.table, expectations=expectations),
                expectation_parameters=dict(suite.parameters),
                result_format={"result_format": "SUMMARY", "partial_unexpected_count": ROWS, **row_names},
            )
        )
        return [result.to_json_dict() for result in validated.results]

    return of_frame
