"""The alerts of a night, and the check that they arrived. A target that fails turns the check red, no more.

Who is notified of what does not belong here: `billing_dq/alerts` decides and delivers.
"""

import dagster as dg

from billing_dq.alerts.night import alerts_of_night
from billing_dq.alerts.notifier import Notifier, undelivered
from billing_dq.defs.checks.night_checks import night_check
from billing_dq.defs.jobs import MANIFEST
from billing_dq.defs.pages.metadata import tags_of
from billing_dq.defs.pages.texts import OWNERS, TEXTS
from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.storage.records import ReconciliationRecord
from billing_dq.tables import FINDINGS

ASSET = "alerts"
DELIVERED = "every_alert_was_delivered"


def alert_definitions(nights: dg.PartitionsDefinition) -> tuple[dg.AssetsDefinition, dg.AssetChecksDefinition]:
    """The asset and its check. The asset hangs on the manifest and not on the report: it tells also without it."""

    @dg.asset(
        name=ASSET,
        partitions_def=nights,
        group_name="conclusions",
        deps=[MANIFEST, FINDINGS.name, ReconciliationRecord.name],
        description=TEXTS[ASSET].markdown(),
        owners=list(OWNERS),
        kinds={"json"},
        tags=tags_of(ASSET),
    )
    def alerts(
        context: dg.AssetExecutionContext, night_lock: dg.ResourceParam[None], settings: dg.ResourceParam[Settings]
    ) -> dg.MaterializeResult:
        """Notify every route of what it does not know yet, and send what waits, also from earlier nights."""
        notifier = Notifier(settings)
        try:
            batch = alerts_of_night(settings, context.partition_key)
            count = 0 if batch is None else notifier.notify(batch)
            waiting = len(notifier.deliver())
        except SourceError as error:  # of the outbox; the check says it again, in red
            return dg.MaterializeResult(metadata={"error": str(error)})
        return dg.MaterializeResult(
            metadata={"notifications": count, "waiting": waiting, "routes": ", ".join(notifier.routes)}
        )

    @dg.multi_asset_check(
        name="alert_checks",
        specs=[
            night_check(
                DELIVERED,
                ASSET,
                "Every message to every route was delivered; names the routes that did not take one.",
                nights,
            )
        ],
    )
    def alert_checks(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        """Look at what waits now: a check that is run again after the target was repaired is green again."""
        try:
            waiting = Notifier(settings).waiting()
            sentence = undelivered(waiting)
        except SourceError as error:
            waiting, sentence = [], str(error)
        return dg.AssetCheckResult(
            passed=not sentence,
            asset_key=dg.AssetKey(ASSET),
            check_name=DELIVERED,
            severity=dg.AssetCheckSeverity.ERROR,
            description=sentence or "nothing waits",
            metadata={"waiting": len(waiting)},
        )

    return alerts, alert_checks
