"""Checks that nothing was lost on the way from the documents to the compared weeks: no unit, and no week.

Not here: whether a week is right (`reconcile/meter`).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import dagster as dg
import numpy as np
import pandas as pd

from billing_dq.defs.asset_names import asset_key, op_name
from billing_dq.defs.declarations import check_result, night_check
from billing_dq.defs.pages.metadata import ROWS, table_of
from billing_dq.reconcile.followed_weeks import in_window
from billing_dq.report.figures import rows_of
from billing_dq.report.verdicts import GRADES
from billing_dq.storage.records import SnapshotFactsRecord
from billing_dq.storage.stored_table import StoredTable
from billing_dq.weeks import NightWeeks

UNITS = "population_adds_up"
WEEKS = "every_organization_week_is_accounted_for"
_DELTAS = "meter_extras_deltas"
_SOURCES = (SnapshotFactsRecord.name, "weekly_usage", "ledger_entries")
_WEEK = ["organization_id", "week_key"]
_DESCRIPTIONS = {
    UNITS: "Every usage document and every debit of the night's weeks is in exactly one compared week.",
    WEEKS: "Every organization-week with usage or debits is exact, tolerated, explained, undecided, unexplained "
    "or unreadable, and the six add up.",
}


class Population(NamedTuple):
    """What was read of the night's weeks: units used, units debited, and the organization-weeks that have either.

    ``weeks`` has ``organization_id`` and ``week_key``, each pair once.
    """

    used: float
    debited: float
    weeks: pd.DataFrame


def population_checks(nights: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    """The checks of units and of weeks in one step, so that the large tables are walked once."""

    @dg.multi_asset_check(
        name=op_name("population"),
        specs=[night_check(name, _DELTAS, text, nights, _SOURCES) for name, text in _DESCRIPTIONS.items()],
        ins={name: dg.AssetIn(asset_key(name)) for name in (_DELTAS, *_SOURCES)},
        can_subset=True,
    )
    def population(
        context: dg.AssetCheckExecutionContext,
        meter_extras_deltas: pd.DataFrame,
        snapshot_facts: SnapshotFactsRecord,
        weekly_usage: StoredTable,
        ledger_entries: StoredTable,
    ) -> Iterator[dg.AssetCheckResult]:
        """Compare what was read with what was compared."""
        read = read_population(weekly_usage, ledger_entries, snapshot_facts.weeks)
        quarantined = sum(count.quarantined for count in snapshot_facts.counts.values())
        compared = in_window(meter_extras_deltas, snapshot_facts.weeks)
        selected = {key.name for key in context.selected_asset_check_keys}
        if UNITS in selected:
            yield judge_units(read, compared)
        if WEEKS in selected:
            yield judge_weeks(read.weeks, compared, quarantined)

    return population


def judge_units(read: Population, deltas: pd.DataFrame) -> dg.AssetCheckResult:
    """Whether the compared weeks (`METER_EXTRAS_DELTAS`) hold every unit that was read."""
    used, debited = float(deltas["meter_used"].sum()), float(deltas["actual_units"].sum())
    # close and not equal: the batches are added up in another order
    passed = bool(np.isclose(read.used, used) and np.isclose(read.debited, debited))
    if passed:
        description = f"{used:,.0f} units used and {debited:,.0f} debited are all compared"
    else:
        description = (
            f"units were lost or counted twice: {read.used:,.0f} used and {read.debited:,.0f} debited were read, "
            f"{used:,.0f} and {debited:,.0f} compared"
        )
    figures = {
        "meter_used_read": read.used,
        "meter_used_compared": used,
        "debited_read": read.debited,
        "debited_compared": debited,
    }
    return check_result(UNITS, passed, description, {**figures})


def judge_weeks(read: pd.DataFrame, deltas: pd.DataFrame, quarantined: int) -> dg.AssetCheckResult:
    """Whether every organization-week that was read is in one bucket, and nothing else is but what is unreadable.

    Args:
        read: ``organization_id`` and ``week_key`` that have a usage document or a debit.
        deltas: `METER_EXTRAS_DELTAS`.
        quarantined: documents that could not be read.
    """
    buckets = {name: int((deltas["grade"] == grade).sum()) for grade, name in GRADES.items()}
    merged = read.merge(deltas[[*_WEEK, "grade"]], on=_WEEK, how="outer", indicator="side")
    lost = merged[merged["side"] == "left_only"]
    invented = merged[(merged["side"] == "right_only") & (merged["grade"] != "unreadable")]
    ungraded = len(deltas) - sum(buckets.values())
    passed = not (len(lost) or len(invented) or ungraded)
    description = _accounted_for(buckets, quarantined) if passed else _broken(lost, invented, ungraded)
    metadata = {
        "organization_weeks": len(deltas),
        **buckets,
        "quarantined_documents": quarantined,
        "not_compared": table_of(rows_of(lost.head(ROWS), _WEEK)),
        "compared_without_data": table_of(rows_of(invented.head(ROWS), _WEEK)),
    }
    return check_result(WEEKS, passed, description, metadata)


def read_population(usage: StoredTable, entries: StoredTable, weeks: NightWeeks) -> Population:
    """What was read of the night's weeks, by batch; only the organization-weeks are kept in memory."""
    used, debited, pairs = 0.0, 0.0, [pd.DataFrame({name: pd.Series(dtype="str") for name in _WEEK})]
    for batch in usage.batches([*_WEEK, "meter_used"]):
        frame = batch.to_pandas()
        frame = frame[frame["week_key"].isin(weeks.keys)]
        used += float(frame["meter_used"].sum())
        pairs.append(frame[_WEEK].drop_duplicates())
    start, keys = pd.Timestamp(weeks.weeks[0].start), np.array(weeks.keys, dtype=object)
    for batch in entries.batches(["organization_id", "kind", "amount", "at"]):
        frame = batch.to_pandas()
        frame = frame[(frame["kind"] == "debit") & (frame["at"] >= start) & (frame["at"] < weeks.weeks[-1].end)]
        debited += float(frame["amount"].abs().sum())
        place = ((frame["at"] - start) // pd.Timedelta(weeks=1)).to_numpy(dtype="int64")
        pairs.append(frame.assign(week_key=keys[place])[_WEEK].drop_duplicates())
    return Population(used, debited, pd.concat(pairs, ignore_index=True).astype("str").drop_duplicates())


def _accounted_for(buckets: Mapping[str, int], quarantined: int) -> str:
    parts = ", ".join(f"{count:,} {name}" for name, count in buckets.items())
    why = f"; documents in quarantine: {quarantined:,}" if quarantined else ""
    return f"{sum(buckets.values()):,} organization-weeks = {parts}{why}."


def _broken(lost: pd.DataFrame, invented: pd.DataFrame, ungraded: int) -> str:
    parts = [
        f"{len(rows):,} organization-weeks {problem}, such as {rows[_WEEK[0]].iloc[0]} {rows[_WEEK[1]].iloc[0]}"
        for rows, problem in ((lost, "have data and were not compared"), (invented, "were compared without data"))
        if len(rows)
    ]
    return "; ".join([*parts, *([f"{ungraded:,} have no known grade"] if ungraded else [])])
