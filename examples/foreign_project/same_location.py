"""A project with assets, an IO manager and resources of its own, that has the nights of billing_dq in its location.

Try it: dagster dev -f examples/foreign_project/same_location.py
"""

from pathlib import Path

import dagster as dg
import pandas as pd

from billing_dq.composition import build_defs
from billing_dq.settings import Settings

FINDINGS = dg.AssetKey(["billing_dq", "findings"])


class ProjectSettings(dg.ConfigurableResource):
    """Settings of the project: the resource has the name that the nights' settings have inside billing_dq."""

    least_cents: int = 100


class CsvFiles(dg.ConfigurableIOManager):
    """The project's default IO manager."""

    directory: str

    def handle_output(self, context: dg.OutputContext, obj: pd.DataFrame) -> None:
        """Write a frame."""
        obj.to_csv(self._path(context.asset_key), index=False)

    def load_input(self, context: dg.InputContext) -> pd.DataFrame:
        """Read a frame."""
        return pd.read_csv(self._path(context.asset_key))

    def _path(self, key: dg.AssetKey) -> Path:
        return Path(self.directory, f"{key.path[-1]}.csv")


@dg.asset
def subscriptions() -> pd.DataFrame:
    """The project's own, beside `billing_dq/subscriptions`."""
    return pd.DataFrame({"newsletter": ["weekly"]})


def project(directory: str, nights: dg.PartitionsDefinition) -> dg.Definitions:
    """The project without billing_dq."""

    @dg.asset(
        partitions_def=nights,
        ins={"findings": dg.AssetIn(FINDINGS)},  # loaded by billing_dq's IO manager
        automation_condition=dg.AutomationCondition.any_deps_updated(),
    )
    def report(findings: pd.DataFrame, settings: ProjectSettings) -> pd.DataFrame:
        """The findings that are worth a letter, each time a night is concluded."""
        return findings[findings["usd_cents"].abs() >= settings.least_cents]

    @dg.asset
    def alerts(subscriptions: pd.DataFrame) -> pd.DataFrame:
        """What the project sends, and billing_dq knows nothing of."""
        return subscriptions

    return dg.Definitions(
        assets=[subscriptions, report, alerts],
        resources={"settings": ProjectSettings(), "lake": "a lake", "io_manager": CsvFiles(directory=directory)},
        jobs=[dg.define_asset_job("nightly_letters", dg.AssetSelection.assets(subscriptions, alerts))],
        executor=dg.in_process_executor,
    )


def merged(directory: str, settings: Settings | None = None) -> dg.Definitions:
    """The project with billing_dq under its prefix."""
    nights = build_defs(settings)
    partitions = nights.resolve_assets_def(FINDINGS).partitions_def
    if partitions is None:
        raise AssertionError("findings have a partition for each night")
    return dg.Definitions.merge(nights, project(directory, partitions))


@dg.definitions
def defs() -> dg.Definitions:
    """What Dagster loads."""
    return merged("/tmp")
