"""What we use of libraries and they do not promise: pinned here, so that an update that takes it away is noticed."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import dagster as dg
import numpy as np
import pandas as pd
from pandas._typing import DtypeObj
from pandas.api.extensions import ExtensionDtype
from pandas.api.types import pandas_dtype

PACKAGE = Path(__file__).parents[2] / "billing_dq"
#: Each private name, and why nothing public does it. All but the types are used by every night of the tests.
PINNED = {
    "dagster._core.definitions.job_base.IJob": "type: what `execute_run` takes",
    "dagster._core.definitions.job_base.InMemoryJob": "`execute_run` takes no plain job",
    "dagster._core.execution.api.execute_run": "`execute_job` runs as no run of a code location",
    "dagster._core.remote_origin.RegisteredCodeLocationOrigin": "the origin of a run, by which the time line shows it",
    "dagster._core.remote_origin.RemoteRepositoryOrigin": "the origin of a run, by which the time line shows it",
    "dagster._core.execution.context.system.PlanOrchestrationContext": "type: what an executor's `execute` takes",
    "dagster._core.execution.plan.plan.ExecutionPlan": "type: what an executor's `execute` takes",
    "pandas._typing.DtypeObj": "type: any dtype, of NumPy or of an extension",
}


def private_names(tree: ast.AST) -> Iterator[str]:
    """The names that a module imports from others' private modules, or that are private themselves."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith(("billing_dq", "__")):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if any(part.startswith("_") for part in name.split(".")):
                    yield name


def test_no_other_private_name_is_used() -> None:
    used = {
        name for path in PACKAGE.rglob("*.py") for name in private_names(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert used == PINNED.keys()


def test_a_private_name_would_be_noticed() -> None:
    assert list(private_names(ast.parse("from pandas._libs import lib"))) == ["pandas._libs.lib"]


def test_every_dtype_of_pandas_is_of_the_private_type() -> None:
    assert np.dtype in get_args(DtypeObj)
    assert "ExtensionDtype" in str(DtypeObj)
    for dtype in ("float64", "str", "boolean", "datetime64[ms, UTC]"):
        assert isinstance(pandas_dtype(dtype), np.dtype | ExtensionDtype)


def test_dagster_tells_the_newest_execution_of_each_check() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        ask = instance.event_log_storage.get_latest_asset_check_execution_by_key
        assert "check_keys" in inspect.signature(ask).parameters
        assert ask([dg.AssetCheckKey(dg.AssetKey("a_table"), "a_check")]) == {}


def test_dagster_tells_the_type_that_an_asset_asks_for() -> None:
    types: list[object] = []

    class Manager(dg.IOManager):
        def handle_output(self, context: dg.OutputContext, obj: object) -> None: ...

        def load_input(self, context: dg.InputContext) -> pd.DataFrame:
            types.append(context.dagster_type.typing_type)
            return pd.DataFrame()

    @dg.asset
    def first() -> None: ...

    @dg.asset
    def second(first: pd.DataFrame) -> None: ...

    dg.materialize([first, second], resources={"io_manager": Manager()})
    assert types == [pd.DataFrame]
