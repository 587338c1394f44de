"""How an asset and a check of a night are declared: description, columns, owner, partitions.

Not here: what an asset does, what a check judges, and the figures of a night.
"""

from collections.abc import Callable, Iterable, Mapping

import dagster as dg

from billing_dq.defs.asset_names import Group, asset_key
from billing_dq.defs.pages.lineage import column_lineage
from billing_dq.defs.pages.metadata import Metadata, column_schema
from billing_dq.defs.pages.texts import OWNERS, TEXTS, tags_of
from billing_dq.tables import TABLES

#: Pages that people read first: their columns stand behind a click, below the answer; Dagster puts them above it.
_READ_FIRST = ("findings", "nightly_report")


def asset_out(name: str, *kinds: str, required: bool = True) -> dg.AssetOut:
    """The declaration of a table, stored as Parquet, or of a record, stored as JSON.

    Where it is not required and not yielded, what hangs on it is skipped.
    """
    table = TABLES.get(name)
    return dg.AssetOut(
        description=TEXTS[name].markdown(table.one_row if table else None),
        is_required=required,
        metadata=_columns(name) if table else None,
        kinds={"parquet" if table else "json", *kinds},
        owners=list(OWNERS),
        tags=tags_of(name),
    )


def night_asset(
    name: str,
    nights: dg.PartitionsDefinition,
    group: Group,
    deps: Iterable[str] = (),
    ins: Mapping[str, dg.AssetIn] | None = None,
    kinds: Iterable[str] = (),
) -> Callable[[Callable[..., object]], dg.AssetsDefinition]:
    """A decorator for a single asset; a page has ``kinds`` of its own, all else those of `asset_out`."""
    out = asset_out(name)
    return dg.asset(
        name=name,
        partitions_def=nights,
        deps=[asset_key(upstream) for upstream in deps],
        ins=ins,
        group_name=group,
        description=out.description,
        metadata=out.metadata,
        kinds=set(kinds or out.kinds or ()),
        owners=list(OWNERS),
        tags=tags_of(name),
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
