"""Assets that a graph of steps makes: declared by the same outputs as those of one step."""

from collections.abc import Mapping

import dagster as dg


def graph_assets(
    graph: dg.GraphDefinition,
    outs: Mapping[str, dg.AssetOut],
    nights: dg.PartitionsDefinition,
    group: str,
    deps: Mapping[str, set[dg.AssetKey]],
) -> dg.AssetsDefinition:
    """The assets of a graph; Dagster's own decorator leaves out which of them hangs on which.

    Args:
        graph: its outputs are called as the assets. An input is called as the path of its asset, joined by `__`.
        outs: the declarations, by name.
        nights: the partitions.
        group: the group that they are shown in.
        deps: by asset what it hangs on; each of these is an input, or one of the assets.
    """
    return dg.AssetsDefinition.from_graph(
        graph,
        keys_by_input_name={name: dg.AssetKey(name.split("__")) for name in graph.input_dict},
        keys_by_output_name={name: dg.AssetKey(name) for name in outs},
        internal_asset_deps={name: set(keys) for name, keys in deps.items()},
        partitions_def=nights,
        group_name=group,
        descriptions_by_output_name={name: out.description for name, out in outs.items() if out.description},
        metadata_by_output_name={name: out.metadata for name, out in outs.items()},
        tags_by_output_name={name: out.tags for name, out in outs.items()},
        owners_by_output_name={name: out.owners for name, out in outs.items() if out.owners},
    )
