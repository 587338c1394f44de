"""The alerts of a night, and the check that they arrived. A target that fails turns the check red, no more."""

import dagster as dg

from billing_dq.alerts.desk import Desk, undelivered
from billing_dq.alerts.night import occasion_of_night
from billing_dq.defs.checks.night_checks import night_check
from billing_dq.defs.metadata import tags_of
from billing_dq.defs.texts import OWNERS, TEXTS
from billing_dq.errors import SourceError
from billing_dq.settings import Settings
from billing_dq.storage.records import ReconciliationRecord
from billing_dq.tables import FINDINGS

ALERTS = "alerts"
DELIVERED = "every_alert_was_delivered"


def alert_definitions(nights: dg.PartitionsDefinition) -> tuple[dg.AssetsDefinition, dg.AssetChecksDefinition]:
    """The asset and its check. The asset hangs on the findings and not on the report: it tells also without it."""

    @dg.asset(
        name=ALERTS,
        partitions_def=nights,
        group_name="conclusions",
        deps=[FINDINGS.name, ReconciliationRecord.name],
        description=TEXTS[ALERTS].markdown(),
        owners=list(OWNERS),
        kinds={"json"},
        tags=tags_of(ALERTS),
    )
    def alerts(
        context: dg.AssetExecutionContext, night_lock: dg.ResourceParam[None], settings: dg.ResourceParam[Settings]
    ) -> dg.MaterializeResult:
        """Tell every route what it was not told yet, and send what waits, also from earlier nights."""
        desk = Desk(settings)
        try:
            occasion = occasion_of_night(settings, context.partition_key)
            told = 0 if occasion is None else desk.tell(occasion)
            waiting = len(desk.deliver())
        except SourceError as error:  # of the record; the check says it again, in red
            return dg.MaterializeResult(metadata={"error": str(error)})
        return dg.MaterializeResult(metadata={"messages": told, "waiting": waiting, "routes": ", ".join(desk.routes)})

    @dg.multi_asset_check(
        name="alert_checks",
        specs=[
            night_check(
                DELIVERED,
                ALERTS,
                "Every message to every route was delivered; names the routes that did not take one.",
                nights,
            )
        ],
    )
    def alert_checks(settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        """Look at what waits now: a check that is run again after the target was mended is green again."""
        try:
            waiting = Desk(settings).waiting()
            said = undelivered(waiting)
        except SourceError as error:
            waiting, said = [], str(error)
        return dg.AssetCheckResult(
            passed=not said,
            asset_key=dg.AssetKey(ALERTS),
            check_name=DELIVERED,
            severity=dg.AssetCheckSeverity.ERROR,
            description=said or "nothing waits",
            metadata={"waiting": len(waiting)},
        )

    return alerts, alert_checks
