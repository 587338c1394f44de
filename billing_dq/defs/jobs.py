"""The jobs of a night: the whole of it, and what follows the sources."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

RECONCILE_NIGHT = "reconcile_night"
CONCLUDE_NIGHT = "conclude_night"


def reconcile_night(selection: dg.AssetSelection, executor: dg.ExecutorDefinition) -> UnresolvedAssetJobDefinition:
    """The whole night. In one process by default: a process for each step would cost seconds each."""
    return dg.define_asset_job(
        RECONCILE_NIGHT,
        selection=selection,
        executor_def=executor,
        description="Read MongoDB and Stripe once, reconcile them, and say what was found.",
    )


def conclude_night(selection: dg.AssetSelection, executor: dg.ExecutorDefinition) -> UnresolvedAssetJobDefinition:
    """Everything after the sources, from what a night has stored: the same frames give the same bytes."""
    return dg.define_asset_job(
        CONCLUDE_NIGHT,
        selection=selection,
        executor_def=executor,
        description="Reconcile a stored night again, from what it read and without reading anything anew.",
    )
