"""The bridge to Great Expectations, the one place where it is imported, and only where a clause does not plainly hold:
its import costs seconds. Frames come one after the other and are never held together.
"""

# Great Expectations makes its expectations at import, where a type checker cannot see them:
# pyright: reportAttributeAccessIssue=false

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import pandas as pd

from billing_dq.report.figures import plain
from billing_dq.rules.derived import derive
from billing_dq.rules.evident import evidently_kept
from billing_dq.rules.expectation import ROWS, Clause, Expectation, Outcome, Row

_FORMAT = {"result_format": "SUMMARY", "partial_unexpected_count": ROWS}
Result = Mapping[str, object]


@dataclass(frozen=True)
class Work:
    """What is to be validated of a table.

    Attributes:
        expected: the expectations.
        identity: the columns by which a row is told.
        known: by derived column, what its reference may lead to. One that is missing is not judged tonight.
    """

    expected: Sequence[Expectation]
    identity: Sequence[str]
    known: Mapping[str, pd.Series]


class _Judge(Protocol):
    def __call__(self, frame: pd.DataFrame, clauses: Sequence[Clause]) -> list[Result]: ...


def validate(frames: Iterable[pd.DataFrame], work: Work) -> dict[str, Outcome]:
    """The outcome of each expectation, by name.

    Args:
        frames: the table in parts; a part holds whole organizations, and text as objects (Arrow's text is several
            times slower here).
        work: what is expected of it.
    """
    outcomes = {one.name: Outcome() for one in work.expected}
    clauses = [(one, clause) for one in work.expected for clause in one.clauses if _can_be_judged(clause, work)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, about what it imports and calls
        for frame in frames:
            for outcome in outcomes.values():
                outcome.checked += len(frame)
            whole = _with_derived(frame, work)
            doubtful = [(one, clause) for one, clause in clauses if not evidently_kept(whole, clause)]
            results = _judge()(whole, [clause for _, clause in doubtful]) if doubtful else []
            for (one, clause), result in zip(doubtful, results, strict=True):
                if not result.get("success"):
                    _add(outcomes[one.name], result, _Part(frame, clause, work.identity))
    return outcomes


@cache
def _judge() -> _Judge:
    """Judges clauses on a frame, in this process and without progress bars.

    Once a process: each context leaves a directory behind.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations import expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    table = context.data_sources.add_pandas("night").add_dataframe_asset("table")
    whole = table.add_batch_definition_whole_dataframe("whole")
    made = {name.lower(): getattr(gxe, name) for name in dir(gxe) if name.startswith("Expect")}

    def judge(frame: pd.DataFrame, clauses: Sequence[Clause]) -> list[Result]:
        """The results in the order of the clauses, all from one graph of metrics."""
        suite = gx.ExpectationSuite(
            name="night",
            expectations=[
                made[clause.kind.replace("_", "")](**clause.arguments, meta={"place": place})
                for place, clause in enumerate(clauses)
            ],
        )
        batch = whole.get_batch(batch_parameters={"dataframe": frame})
        results = batch.validate(suite, result_format=_FORMAT).results
        found = {
            (one.expectation_config.meta or {})["place"]: one.to_json_dict()
            for one in results
            if one.expectation_config
        }
        return [found[place] for place in range(len(clauses))]

    return judge


@dataclass(frozen=True)
class _Part:
    """Rows that a clause was judged on, and how to tell one."""

    frame: pd.DataFrame
    clause: Clause
    identity: Sequence[str]

    def row(self, position: int) -> Row:
        """The key of a row, and the columns and values in question."""
        cells = self.frame.iloc[position]
        names = [name for name in self.clause.columns if name not in self.identity] or self.clause.columns
        value = plain(cells[names[0]]) if len(names) == 1 else ", ".join(str(plain(cells[name])) for name in names)
        return {**{name: plain(cells[name]) for name in self.identity}, "column": ", ".join(names), "value": value}


def _can_be_judged(clause: Clause, work: Work) -> bool:
    derived = clause.derived
    return derived is None or derived.reference is None or derived.name in work.known


def _with_derived(frame: pd.DataFrame, work: Work) -> pd.DataFrame:
    made = {
        clause.derived.name: derive(clause.derived, frame, work.known)
        for one in work.expected
        for clause in one.clauses
        if clause.derived is not None and _can_be_judged(clause, work)
    }
    return frame.assign(**made)


def _add(outcome: Outcome, result: Result, part: _Part) -> None:
    details = result.get("result")
    found = details if isinstance(details, dict) else {}
    if "unexpected_count" in found:
        outcome.broken += int(found["unexpected_count"])
        places = found.get("partial_unexpected_index_list") or []
        outcome.rows += [part.row(place) for place in places[: ROWS - len(outcome.rows)]]
    elif "observed_value" in found:
        outcome.broken += 1
        outcome.said = f"it is {plain(found['observed_value'])}"
    else:
        outcome.problem = f"it could not be judged: {_reason(result.get('exception_info'))}"


def _reason(raised: object) -> str:
    """The words of an exception in the library, which come by metric, or by themselves."""
    if isinstance(raised, dict):
        told = raised.get("exception_message")
        return str(told)[:300] if told else next((_reason(one) for one in raised.values() if one), "no reason given")
    return "no reason given"
