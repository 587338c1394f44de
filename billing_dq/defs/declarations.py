"""How an asset and a check of a night are declared: description, columns, owner, partitions.

Not here: what an asset does, what a check judges, and the figures of a night.
"""

from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from inspect import signature

import dagster as dg

from billing_dq.defs.asset_names import IO_MANAGER, Group, asset_key, location_name, op_name
from billing_dq.defs.io_manager import RECORDS
from billing_dq.defs.pages.lineage import column_lineage
from billing_dq.defs.pages.metadata import Metadata, column_schema
from billing_dq.defs.pages.texts import OWNERS, TEXTS, tags_of
from billing_dq.tables import TABLES

#: What computes the assets: where it is another one than a night has, Dagster shows that the night may differ.
_CODE_VERSION = version("billing-dq")


def asset_out(name: str, *kinds: str, required: bool = True) -> dg.AssetOut:
    """The declaration of a table, stored as Parquet, of a record, stored as JSON, or of what an asset puts in place
    itself.

    Where it is not required and not yielded, what hangs on it is skipped.
    """
    table = TABLES.get(name)
    stored_as = "parquet" if table else "json" if name in RECORDS else None
    return dg.AssetOut(
        key=asset_key(name),
        description=TEXTS[name].markdown(table.one_row if table else None),
        is_required=required,
        metadata=_columns(name) if table else None,
        kinds={*kinds, *([stored_as] if stored_as else [])},
        owners=list(OWNERS),
        tags=tags_of(name),
        io_manager_key=IO_MANAGER,
        code_version=_CODE_VERSION,
        dagster_type=dg.Any if stored_as else dg.Nothing,
    )


def night_asset(
    name: str,
    nights: dg.PartitionsDefinition,
    group: Group,
    deps: Iterable[str] = (),
    ins: Mapping[str, dg.AssetIn] | None = None,
    kinds: Iterable[str] = (),
) -> Callable[[Callable[..., object]], dg.AssetsDefinition]:
    """A decorator for a single asset; ``kinds`` are those of what is neither table nor record. A
    parameter with the name of an asset is that asset..
    """

    def declare(compute: Callable[..., object]) -> dg.AssetsDefinition:
        named = {
            parameter: dg.AssetIn(asset_key(parameter))
            for parameter in signature(compute).parameters
            if parameter in TEXTS
        }
        # no `dg.asset`: it names its op by the asset's key
        return dg.multi_asset(
            name=op_name(name),
            partitions_def=nights,
            deps=[asset_key(upstream) for upstream in deps],
            ins={**named, **(ins or {})},
            outs={name: asset_out(name, *kinds)},
            group_name=location_name(group),
        )(compute)

    return declare


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
    passed: bool,
    description: str,
    metadata: Metadata | None = None,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    """What a check says of a night, in one sentence and with figures; a step of several assets says of which."""
    return dg.AssetCheckResult(
        passed=passed,
        check_name=name,
        description=description,
        severity=severity,
        metadata=metadata or {},
    )


def _columns(name: str) -> dict[str, object]:
    lineage = column_lineage(name)
    return {
        "dagster/column_schema": column_schema(TABLES[name]),
        "dagster/table_name": name,
        **({"dagster/column_lineage": lineage} if lineage else {}),
    }
