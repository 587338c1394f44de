"""The manifest of a night: the step that shows the night to its readers; then what is old may go.

Not here: what a manifest holds (`storage/manifests`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from billing_dq.defs.asset_names import MANIFEST, location_name
from billing_dq.defs.declarations import night_asset
from billing_dq.defs.jobs import CONCLUDE_NIGHT, RECONCILE_NIGHT
from billing_dq.defs.pages.metadata import table_of
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.manifests import finish, manifest_path
from billing_dq.storage.retention import remove_old_evidence

#: When these are stored, all tables of the night are.
_LAST_TABLES = ("nightly_report", "findings", "night_measures", "document_shapes", "column_profiles")
#: Whoever keeps it apart can prove the ledgers of the night (`billing-dq seal`).
SEAL_ROOT_TAG = "billing_dq/seal_root"


def manifest_asset(nights: dg.PartitionsDefinition) -> dg.AssetsDefinition:
    """The asset that ends the writing of a night."""
    jobs = [location_name(name) for name in (RECONCILE_NIGHT, CONCLUDE_NIGHT)]

    @night_asset(MANIFEST, nights, "conclusions", deps=_LAST_TABLES, kinds=["json"])
    def night_manifest(
        context: dg.AssetExecutionContext,
        billing_dq_night_lock: dg.ResourceParam[None],
        billing_dq_settings: dg.ResourceParam[Settings],
        billing_dq_lake: dg.ResourceParam[Lake],
    ) -> dg.MaterializeResult:
        """Write the manifest, then remove the evidence and the runs that `[retention]` no longer keeps."""
        key = context.partition_key
        manifest = finish(billing_dq_lake, key, billing_dq_settings)
        if manifest.seal_root:
            context.instance.add_run_tags(context.run.run_id, {SEAL_ROOT_TAG: manifest.seal_root})
        removed = remove_old_evidence(billing_dq_lake, key, billing_dq_settings.retention.evidence_nights)
        for night, tables in removed.items():
            context.log.info(f"retention: removed the evidence of {night} ({', '.join(tables)}); its results stay")
        forgotten = forget_old_runs(context.instance, billing_dq_settings.retention.run_days, datetime.now(UTC), jobs)
        return dg.MaterializeResult(
            metadata={
                "state": manifest.state,
                "manifest": dg.MetadataValue.path(str(manifest_path(billing_dq_lake, key))),
                "code_version": manifest.code_version,
                "seal_root": manifest.seal_root or "none",
                "files": len(manifest.files),
                "bytes": sum(file.bytes for file in manifest.files.values()),
                "runs_forgotten": forgotten,
                "evidence_removed": table_of(
                    [{"night": night, "tables": ", ".join(tables)} for night, tables in removed.items()]
                ),
            }
        )

    return night_manifest


def forget_old_runs(instance: dg.DagsterInstance, days: int | None, as_of: datetime, jobs: Sequence[str]) -> int:
    """Delete the ended runs of some jobs that are older than so many days from Dagster's history; return their number.

    Their events are the most that a night leaves on the disk. The tables of the nights stay in the lake, and runs of
    credits stay. None: all runs stay.
    """
    if days is None:
        return 0
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    records = [
        record
        for job in jobs
        for record in instance.get_run_records(
            dg.RunsFilter(job_name=job, statuses=ended, created_before=as_of - timedelta(days=days))
        )
    ]
    for record in records:
        instance.delete_run(record.dagster_run.run_id)
    return len(records)
