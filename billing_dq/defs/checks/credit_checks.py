"""The check that no reinstated dispute waits for its units.

Not here: what is due (`reconcile/disputes`), and the credit itself (`credits/`).
"""

from collections.abc import Iterator

import dagster as dg
import pandas as pd

from billing_dq.credits.agreement import said_of_a_night
from billing_dq.credits.anchor import anchor_of
from billing_dq.defs.asset_names import asset_key, op_name
from billing_dq.defs.declarations import check_result, night_check
from billing_dq.defs.pages.metadata import table_of
from billing_dq.report.figures import rows_of
from billing_dq.settings import Settings
from billing_dq.storage.lake import Lake
from billing_dq.storage.records import SnapshotFactsRecord, StripeReadingRecord
from billing_dq.tables import DISPUTE_ENTRIES, DISPUTE_POSITIONS, Table

CREDITED = "every_reinstated_dispute_is_credited"


def credit_check(nights: dg.PartitionsDefinition) -> dg.AssetChecksDefinition:
    """The check of the night's dispute positions."""
    reading = StripeReadingRecord.name
    description = "No dispute whose money came back waits for its units; names those that do."

    @dg.multi_asset_check(
        name=op_name("credit_checks"),
        specs=[night_check(CREDITED, reading, description, nights, ["findings"])],
        ins={reading: dg.AssetIn(asset_key(reading))},
        can_subset=True,
    )
    def credit_checks(
        context: dg.AssetCheckExecutionContext,
        stripe_reading: StripeReadingRecord,
        billing_dq_settings: dg.ResourceParam[Settings],
    ) -> Iterator[dg.AssetCheckResult]:
        """Judge the night's positions; nothing where Stripe was not asked."""
        night = context.partition_key
        if stripe_reading.state == "failed":
            reason = f"not examined, Stripe could not be read: {stripe_reading.reason}"
            yield check_result(CREDITED, False, reason)
        elif stripe_reading.state == "read":
            as_of = SnapshotFactsRecord.require(billing_dq_settings.home, night).as_of
            disagreement = said_of_a_night(
                billing_dq_settings, _stored(billing_dq_settings, DISPUTE_ENTRIES, night), as_of
            )
            yield _judge(
                _stored(billing_dq_settings, DISPUTE_POSITIONS, night),
                anchor_of(billing_dq_settings.state_directory),
                disagreement,
            )

    return credit_checks


def _stored(settings: Settings, table: Table, night: str) -> pd.DataFrame:
    stored = Lake(settings.home).stored(table, night)
    if stored is None:
        raise dg.Failure(f"{table.name} of {night} is gone", allow_retries=False)
    return stored.frame()


def _judge(positions: pd.DataFrame, audit_anchor: str, disagreement: str | None) -> dg.AssetCheckResult:
    """Red where a credit is due, or where audit log and ledgers disagree, which forbids every credit; what waits for a
    person (parked or refused with money back) is named beside it.
    """
    for_a_person = positions["decision"].isin(["parked", "refused"]) & (positions["reinstated_minor"] > 0)
    waiting = positions[(positions["decision"] == "due") | for_a_person]
    due, units = int((waiting["decision"] == "due").sum()), float(waiting["due_units"].sum())
    rows = rows_of(waiting, ("dispute_id", "organization_id", "decision", "reason", "due_units"))
    description = "no dispute waits"
    if rows:
        names = "; ".join(f"{row['dispute_id']} {row['decision']} ({row['reason']})" for row in rows[:20])
        wait = (
            "dispute of which the money came back waits" if due == 1 else "disputes of which the money came back wait"
        )
        description = f"{due} {wait} for {units:,.0f} units, {len(rows) - due} wait for a person: {names}"
    metadata = {
        "due": due,
        "for_a_person": len(rows) - due,
        "due_units": units,
        "disputes": table_of(rows[:50]),
        "audit_anchor": audit_anchor,
    }
    sentence = f"{disagreement}; {description}" if disagreement else description
    return check_result(CREDITED, due == 0 and disagreement is None, sentence, metadata)
