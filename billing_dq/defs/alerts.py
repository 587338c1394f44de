"""The alerts of a night, and the check that they arrived. A target that fails turns the check red, no more.

Not here: who is notified of what (`billing_dq/alerts`).
"""

import dagster as dg

from billing_dq.alerts.night import alerts_of_night
from billing_dq.alerts.notifier import Notifier, undelivered
from billing_dq.defs.asset_names import ALERTS, MANIFEST, op_name
from billing_dq.defs.declarations import check_result, night_asset, night_check
from billing_dq.errors import SourceError
from billing_dq.serving.metrics import push
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import ReconciliationRecord
from billing_dq.tables import FINDINGS

DELIVERED = "every_alert_was_delivered"


def alert_definitions(nights: dg.PartitionsDefinition) -> tuple[dg.AssetsDefinition, dg.AssetChecksDefinition]:
    """The asset and its check. The asset needs the manifest and not the report: it notifies also without one."""

    @night_asset(
        ALERTS, nights, "conclusions", deps=[MANIFEST, FINDINGS.name, ReconciliationRecord.name], kinds=["webhook"]
    )
    def alerts(
        context: dg.AssetExecutionContext,
        billing_dq_night_lock: dg.ResourceParam[None],
        billing_dq_settings: dg.ResourceParam[Settings],
    ) -> dg.MaterializeResult:
        """Notify every route of what it does not know yet, and send what waits, also from earlier nights."""
        notifier = Notifier(billing_dq_settings)
        metrics = push(Lake(billing_dq_settings.home))
        pushed = {"metrics": metrics} if metrics else {}
        try:
            batch = alerts_of_night(billing_dq_settings, context.partition_key)
            count = 0 if batch is None else notifier.notify(batch)
            waiting = len(notifier.deliver())
        except SourceError as error:  # of the outbox; the check has it too, in red
            return dg.MaterializeResult(metadata={"error": str(error), **pushed})
        return dg.MaterializeResult(
            metadata={"notifications": count, "waiting": waiting, "routes": ", ".join(notifier.routes), **pushed}
        )

    @dg.multi_asset_check(
        name=op_name("alert_checks"),
        specs=[
            night_check(DELIVERED, ALERTS, "Every notification was delivered; where not, names the routes.", nights)
        ],
    )
    def alert_checks(billing_dq_settings: dg.ResourceParam[Settings]) -> dg.AssetCheckResult:
        """Look at what waits now: a check that is run again after the target was repaired is green again."""
        try:
            waiting = Notifier(billing_dq_settings).waiting()
            sentence = undelivered(waiting)
        except SourceError as error:
            waiting, sentence = [], str(error)
        return check_result(DELIVERED, not sentence, sentence or "nothing waits", {"waiting": len(waiting)})

    return alerts, alert_checks
