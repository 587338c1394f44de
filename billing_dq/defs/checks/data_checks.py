"""Checks of the night's data against the nights before: freshness, volume, unreadable documents, shape.

None blocks anything: unusual data is reconciled all the same. What is lost is an error, all else a warning, for it can
be by design. Not here: what is usual (`quality/`).
"""

from collections.abc import Iterator
from typing import NamedTuple

import dagster as dg
import pandas as pd

from billing_dq.defs.asset_names import asset_key, op_name
from billing_dq.defs.declarations import check_result, night_check
from billing_dq.defs.pages.metadata import table_of
from billing_dq.defs.pages.runbook import runbook
from billing_dq.quality.judgement import is_lost, is_unusual, sentence
from billing_dq.quality.measures import EVENTS, LEDGERS, USAGE
from billing_dq.quality.shape import FEWEST_NIGHTS, changes
from billing_dq.report.figures import rows_of
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.quality_history import is_complete, nights_before
from billing_dq.tables import DOCUMENT_SHAPES, NIGHT_MEASURES

KEEPS_ITS_SHAPE = "documents_keep_their_shape"
_COLUMNS = ("collection", "measure", "week_key", "value", "unit", "expected", "lowest", "highest", "nights", "verdict")
_MOST_CHANGES = 20
_GREEN = "as in the nights before"


class DataCheck(NamedTuple):
    """A check of some measures of a collection, or of all collections (None)."""

    name: str
    collection: str | None
    measures: tuple[str, ...]
    description: str

    @property
    def asset(self) -> str:
        """The table that it is about."""
        return "quarantined_documents" if self.collection is None else _TABLES.get(self.collection, self.collection)

    @property
    def runbook(self) -> str:
        """The section of the runbooks that is about it."""
        return "stale_data" if "age" in self.measures else "unusual_volume"


_TABLES = {USAGE: "weekly_usage", LEDGERS: "ledger_entries", EVENTS: "dead_lettered_events"}
DATA_CHECKS = (
    DataCheck(
        "usage_is_written_as_ever",
        USAGE,
        ("age",),
        "The newest write of a usage document is not older than it usually is.",
    ),
    DataCheck(
        "ledgers_are_written_as_ever",
        LEDGERS,
        ("age",),
        "The newest ledger entry is not older than it usually is.",
    ),
    DataCheck(
        "webhook_events_are_applied_as_ever",
        EVENTS,
        ("age", "documents"),
        "The newest applied Stripe event is not older than it usually is.",
    ),
    DataCheck(
        "usage_has_its_usual_size",
        USAGE,
        ("units_a_day", "documents_a_day", "documents", "documents_of_week", "units_of_week"),
        "As much usage as ever came since the night before, and no week lost any.",
    ),
    DataCheck(
        "ledgers_have_their_usual_size",
        LEDGERS,
        ("entries_a_day", "units_a_day", "documents", "entries", "entries_of_week", "units_of_week"),
        "As many entries as ever came since the night before, and no ledger or week lost any.",
    ),
    DataCheck(
        "organizations_have_their_usual_number",
        "organizations",
        ("documents",),
        "No organizations are missing, and there are not suddenly twice as many.",
    ),
    DataCheck(
        "subscriptions_have_their_usual_number",
        "subscriptions",
        ("documents",),
        "No subscriptions are missing, and there are not suddenly twice as many.",
    ),
    DataCheck(
        "unreadable_documents_are_no_more_than_ever",
        None,
        ("unreadable",),
        "No greater share of documents than ever could not be read.",
    ),
)


def data_checks(nights: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks of measures, and the one of shape."""

    @dg.multi_asset_check(
        name=op_name("data_checks"),
        specs=[
            night_check(check.name, check.asset, check.description, nights, deps=[NIGHT_MEASURES.name])
            for check in DATA_CHECKS
        ],
        ins={NIGHT_MEASURES.name: dg.AssetIn(asset_key(NIGHT_MEASURES.name))},
    )
    def of_measures(
        context: dg.AssetCheckExecutionContext,
        night_measures: pd.DataFrame,
        billing_dq_settings: dg.ResourceParam[Settings],
        billing_dq_lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.AssetCheckResult]:
        """Judge what was measured."""
        not_judged = _why_not_judged(billing_dq_lake, context.partition_key)
        keys = {key.name: key.asset_key for key in context.selected_asset_check_keys}
        for check in DATA_CHECKS:
            result = _judged(check, night_measures, not_judged, billing_dq_settings)
            yield result._replace(asset_key=keys[check.name])

    @dg.asset_check(
        asset=asset_key(DOCUMENT_SHAPES.name),
        name=KEEPS_ITS_SHAPE,
        partitions_def=nights,
        description="No field, type or word is new, none is gone, and none is there much more or less often.",
    )
    def of_shape(
        context: dg.AssetCheckExecutionContext,
        document_shapes: pd.DataFrame,
        billing_dq_settings: dg.ResourceParam[Settings],
        billing_dq_lake: dg.ResourceParam[Lake],
    ) -> dg.AssetCheckResult:
        """Compare the documents' shape with that of the nights before."""
        night = context.partition_key
        history = nights_before(billing_dq_lake, DOCUMENT_SHAPES, night)
        of_night = changes(document_shapes, history, pd.Timestamp(night).date())
        description = "; ".join(change.sentence for change in of_night[:3]) or _GREEN
        if history["night"].nunique() < FEWEST_NIGHTS:
            description = _why_not_judged(billing_dq_lake, night)
        rows = [
            {
                "collection": change.collection,
                "field": change.field,
                "what": change.what.replace("_", " "),
                "example": change.example_id or "",
                "sentence": change.sentence,
            }
            for change in of_night[:_MOST_CHANGES]
        ]
        metadata = {
            "changes": len(of_night),
            "changed": table_of(rows),
            "runbook": runbook(billing_dq_settings, "changed_shape"),
        }
        warning = dg.AssetCheckSeverity.WARN
        return check_result(KEEPS_ITS_SHAPE, not of_night, description, metadata, warning)

    return [of_measures, of_shape]


def _why_not_judged(lake: Lake, night: str) -> str:
    why = "there are too few earlier nights" if is_complete(lake, night) else "the night is incomplete"
    return f"not judged: {why}"


def _judged(check: DataCheck, measures: pd.DataFrame, not_judged: str, settings: Settings) -> dg.AssetCheckResult:
    """What a check says of `NIGHT_MEASURES` of the night."""
    rows = measures[measures["measure"].isin(check.measures)]
    if check.collection is not None:
        rows = rows[rows["collection"] == check.collection]
    unusual, lost = rows[is_unusual(rows)], bool(is_lost(rows).any())
    green = _GREEN if (rows["verdict"] != "not_judged").any() else not_judged
    description = "; ".join(sentence(row) for row in rows_of(unusual, _COLUMNS)) or green
    # under steady names, so that Dagster plots them over the nights; of a week none is steady
    steady = rows[rows["week_key"] == ""]
    names = steady["collection"] + "_" + steady["measure"]
    metadata = {
        **{str(name): float(value) for name, value in zip(names, steady["value"].round(2), strict=True)},
        "measures": table_of(rows_of(rows.round(2), _COLUMNS)),
        "runbook": runbook(settings, check.runbook),
    }
    severity = dg.AssetCheckSeverity.ERROR if lost else dg.AssetCheckSeverity.WARN
    return check_result(check.name, unusual.empty, description, metadata, severity)
