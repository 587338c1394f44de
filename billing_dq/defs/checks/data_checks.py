"""Checks of the night's data against the nights before: freshness, volume, unreadable documents, shape.

None blocks anything: unusual data is reconciled all the same. What is lost (`quality/judgement`) is an error, all else
a warning, for it can be by design.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import dagster as dg
import pandas as pd

from billing_dq.defs.checks.night_checks import night_check
from billing_dq.defs.pages.metadata import Metadata, table_of
from billing_dq.defs.pages.runbook import runbook
from billing_dq.quality.judgement import is_lost, is_unusual, sentence
from billing_dq.quality.measures import EVENTS, LEDGERS, USAGE
from billing_dq.quality.shape import FEWEST_NIGHTS, Change, changes
from billing_dq.report.figures import rows_of
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.quality_history import is_complete, nights_before
from billing_dq.tables import DOCUMENT_SHAPES, NIGHT_MEASURES

KEEPS_ITS_SHAPE = "documents_keep_their_shape"
_SHOWN = ("collection", "measure", "week_key", "value", "unit", "expected", "lowest", "highest", "nights", "verdict")
_MOST_CHANGES = 20


@dataclass(frozen=True)
class DataCheck:
    """A check of some measures; collection None stands for all of them."""

    name: str
    asset: str
    description: str
    runbook: str
    collection: str | None
    measures: tuple[str, ...]

    def of(self, measured: pd.DataFrame) -> pd.DataFrame:
        """Its rows of `NIGHT_MEASURES`."""
        mine = measured["measure"].isin(self.measures)
        return measured[mine if self.collection is None else mine & (measured["collection"] == self.collection)]


DATA_CHECKS = (
    DataCheck(
        "usage_is_written_as_ever",
        "weekly_usage",
        "The newest write of a usage document is not older than it usually is.",
        "stale-data",
        USAGE,
        ("age",),
    ),
    DataCheck(
        "ledgers_are_written_as_ever",
        "ledger_entries",
        "The newest ledger entry is not older than it usually is.",
        "stale-data",
        LEDGERS,
        ("age",),
    ),
    DataCheck(
        "webhook_events_are_applied_as_ever",
        "dead_lettered_events",
        "The newest applied Stripe event is not older than it usually is.",
        "stale-data",
        EVENTS,
        ("age", "documents"),
    ),
    DataCheck(
        "usage_has_its_usual_size",
        "weekly_usage",
        "As much usage as ever came since the night before, and no week lost any.",
        "unusual-volume",
        USAGE,
        ("units_a_day", "documents_a_day", "documents", "documents_of_week", "units_of_week"),
    ),
    DataCheck(
        "ledgers_have_their_usual_size",
        "ledger_entries",
        "As many entries as ever came since the night before, and no ledger or week lost any.",
        "unusual-volume",
        LEDGERS,
        ("entries_a_day", "units_a_day", "documents", "entries", "entries_of_week", "units_of_week"),
    ),
    DataCheck(
        "organizations_have_their_usual_number",
        "organizations",
        "No organizations are missing, and there are not suddenly twice as many.",
        "unusual-volume",
        "organizations",
        ("documents",),
    ),
    DataCheck(
        "subscriptions_have_their_usual_number",
        "subscriptions",
        "No subscriptions are missing, and there are not suddenly twice as many.",
        "unusual-volume",
        "subscriptions",
        ("documents",),
    ),
    DataCheck(
        "unreadable_documents_are_no_more_than_ever",
        "quarantined_documents",
        "No greater share of documents than ever could not be read.",
        "unusual-volume",
        None,
        ("unreadable",),
    ),
)


def data_checks(nights: dg.PartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """The checks of measures, and the one of shape."""

    @dg.multi_asset_check(
        name="data_checks",
        specs=[
            night_check(check.name, check.asset, check.description, nights, deps=(NIGHT_MEASURES.name,))
            for check in DATA_CHECKS
        ],
        ins={NIGHT_MEASURES.name: dg.AssetIn(NIGHT_MEASURES.name)},
    )
    def of_measures(
        context: dg.AssetCheckExecutionContext,
        night_measures: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> Iterator[dg.AssetCheckResult]:
        """Judge what was measured."""
        night = context.partition_key
        not_judged = _why_not_judged(lake, night)
        for check in DATA_CHECKS:
            yield _judged(check, check.of(night_measures), not_judged, settings)

    @dg.asset_check(
        asset=DOCUMENT_SHAPES.name,
        name=KEEPS_ITS_SHAPE,
        partitions_def=nights,
        description="No field, type or word is new, none is gone, and none is there much more or less often.",
    )
    def of_shape(
        context: dg.AssetCheckExecutionContext,
        document_shapes: pd.DataFrame,
        settings: dg.ResourceParam[Settings],
        lake: dg.ResourceParam[Lake],
    ) -> dg.AssetCheckResult:
        night = context.partition_key
        history = nights_before(lake, DOCUMENT_SHAPES, night)
        found = changes(document_shapes, history, pd.Timestamp(night).date())
        said = "; ".join(change.sentence for change in found[:3]) if found else "as in the nights before"
        if history["night"].nunique() < FEWEST_NIGHTS:
            said = _why_not_judged(lake, night)
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN,
            description=said,
            metadata={
                "changes": len(found),
                "changed": table_of([_row(change) for change in found[:_MOST_CHANGES]]),
                "runbook": runbook(settings, "changed_shape"),
            },
        )

    return [of_measures, of_shape]


def _why_not_judged(lake: Lake, night: str) -> str:
    why = "there are too few earlier nights" if is_complete(lake, night) else "the night is incomplete"
    return f"not judged: {why}"


def _judged(check: DataCheck, tonight: pd.DataFrame, not_judged: str, settings: Settings) -> dg.AssetCheckResult:
    unusual, lost = tonight[is_unusual(tonight)], bool(is_lost(tonight).any())
    said = "; ".join(sentence(row) for row in rows_of(unusual, _SHOWN))
    green = "as in the nights before" if (tonight["verdict"] != "not_judged").any() else not_judged
    details: Metadata = {
        **_figures(tonight),
        "measures": table_of(rows_of(tonight.round(2), _SHOWN)),
        "runbook": runbook(settings, check.runbook),
    }
    return dg.AssetCheckResult(
        passed=unusual.empty,
        check_name=check.name,
        asset_key=check.asset,
        severity=dg.AssetCheckSeverity.ERROR if lost else dg.AssetCheckSeverity.WARN,
        description=said or green,
        metadata=details,
    )


def _figures(tonight: pd.DataFrame) -> dict[str, float]:
    """The measures as numbers under steady names, which Dagster plots over the nights; of weeks none is steady."""
    steady = tonight[tonight["week_key"] == ""]
    names = steady["collection"] + "_" + steady["measure"]
    return {str(name): float(value) for name, value in zip(names, steady["value"].round(2), strict=True)}


def _row(change: Change) -> dict[str, str]:
    return {
        "collection": change.collection,
        "field": change.field,
        "what": change.what.replace("_", " "),
        "example": change.example_id or "",
        "told": change.sentence,
    }
