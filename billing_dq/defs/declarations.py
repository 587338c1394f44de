"""How an asset and a check of a night are declared: description, columns, owner, partitions.

Not here: what an asset does, what a check judges, and the figures of a night.
"""

from collections.abc import Callable, Iterable, Mapping

import dagster as dg

from billing_dq.defs.asset_names import IO_MANAGER, Group, asset_key, op_name
from billing_dq.defs.io_manager import RECORDS
from billing_dq.defs.pages.lineage import column_lineage
from billing_dq.defs.pages.metadata import Metadata, column_schema
from billing_dq.defs.pages.texts import OWNERS, TEXTS, tags_of
from billing_dq.tables import TABLES

#: Pages that people read first: their columns stand behind a click, below the answer; Dagster puts them above it.
_READ_FIRST = ("findings", "nightly_report")


def asset_out(name: str, *kinds: str, required: bool = True) -> dg.AssetOut:
    """The declaration of a table, stored as Parquet, of a record, stored as JSON, or of what an asset puts in place
    itself.

    Where it is not required and not yielded, what hangs on it is skipped.
    """
    table = TABLES.get(name)
    stored_as = "parquet" if table else "json" if name in RECORDS else None
    return dg.AssetOut(
        description=TEXTS[name].markdown(table.one_row if table else None),
        is_required=required,
        metadata=_columns(name) if table else None,
        kinds={*kinds, *([stored_as] if stored_as else [])},
        owners=list(OWNERS),
        tags=tags_of(name),
        **({"io_manager_key": IO_MANAGER} if stored_as else {"dagster_type": dg.Nothing}),
    )


def night_asset(
    name: str,
    nights: dg.PartitionsDefinition,
    group: Group,
    deps: Iterable[str] = (),
    ins: Mapping[str, dg.AssetIn] | None = None,
    kinds: Iterable[str] = (),
) -> Callable[[Callable[..., object]], dg.AssetsDefinition]:
    """A decorator for a single asset; ``kinds`` are those of what is neither table nor record."""
    # no `dg.asset`: it names its op by the asset's key
    return dg.multi_asset(
        name=op_name(name),
        partitions_def=nights,
        deps=[asset_key(upstream) for upstream in deps],
        ins=ins or {},
        outs={name: asset_out(name, *kinds)},
        group_name=group,
    )


def night_check(
    name: str, asset: str, description: str, nights: dg.PartitionsDefinition, deps: Iterable[str] = ()
) -> dg.AssetCheckSpec:
    """The declaration of a check; ``deps`` are assets that must be there before it is judged."""
    return dg.AssetCheckSpec(
        name,
        asset=asset_key(asset),
        description=description,
        additional_deps=[asset_key(upstream) for upstream in deps],
        # without them a check would have one result for all nights, and the UI no history
        partitions_def=nights,
    )


def check_result(
    name: str,
    asset: str,
    passed: bool,
    description: str,
    metadata: Metadata | None = None,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    """What a check says of a night, in one sentence and with figures."""
    return dg.AssetCheckResult(
        passed=passed,
        check_name=name,
        asset_key=asset_key(asset),
        description=description,
        severity=severity,
        metadata=metadata or {},
    )


def _columns(name: str) -> dict[str, object]:
    schema = "columns" if name in _READ_FIRST else "dagster/column_schema"
    lineage = column_lineage(name)
    return {schema: column_schema(TABLES[name]), **({"dagster/column_lineage": lineage} if lineage else {})}
