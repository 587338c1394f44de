"""The import arrows of docs/architecture.md, "Who may import what", read from the source: who may know whom."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

PACKAGE = Path(__file__).parents[1] / "billing_dq"
MODULES = sorted(PACKAGE.rglob("*.py"))
#: The rules: frames in, frames out.
PURE = [
    *(path for path in MODULES if {"reconcile", "quality"} & set(path.relative_to(PACKAGE).parts[:-1])),
    *(PACKAGE / name for name in ("credits/plan.py", "alerts/changes.py", "alerts/current_alerts.py")),
]


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def named(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def importing(*packages: str) -> set[str]:
    """The files that import one of the packages or something in it."""
    return {
        named(path)
        for path in MODULES
        if any(name == package or name.startswith(f"{package}.") for name in imports(path) for package in packages)
    }


def test_only_the_dagster_layer_imports_dagster() -> None:
    allowed = {"definitions.py", "runner.py"}
    others = {name for name in importing("dagster", "dagster_shared") if not name.startswith("defs/")} - allowed
    assert not others


def test_great_expectations_is_imported_in_two_places_and_only_inside_a_function() -> None:
    places = {"rules/validation.py", "report/data_docs.py"}
    assert importing("great_expectations") == places
    for place in places:
        tree = ast.parse((PACKAGE / place).read_text(encoding="utf-8"))
        top = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        assert not any("great_expectations" in ast.unparse(node) for node in top)


def test_apprise_is_imported_in_one_place_and_only_inside_a_function() -> None:
    assert importing("apprise") == {"alerts/targets.py"}
    tree = ast.parse((PACKAGE / "alerts" / "targets.py").read_text(encoding="utf-8"))
    assert not any(
        "apprise" in ast.unparse(node) for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))
    )


@pytest.mark.parametrize("path", PURE, ids=named)
def test_the_rules_are_pure(path: Path) -> None:
    known = (
        "billing_dq.tables",
        "billing_dq.vocabulary",
        "billing_dq.weeks",
        "billing_dq.units",
        "billing_dq.text_codes",
        "billing_dq.reconcile",
        "billing_dq.quality",
    )
    ours = {name for name in imports(path) if name.startswith("billing_dq")}
    assert not {name for name in ours if not name.startswith(known) and name != "billing_dq"}
    forbidden = {"os", "io", "pathlib", "socket", "requests", "pymongo", "bson", "stripe", "dagster", "upath", "time"}
    assert not {name for name in imports(path) if name.split(".")[0] in forbidden}


def test_the_rules_ask_no_clock() -> None:
    for path in PURE:
        text = path.read_text(encoding="utf-8")
        assert "now(" not in text, named(path)
        assert "today(" not in text, named(path)


def test_the_sources_do_not_know_the_rules() -> None:
    assert not {name for name in importing("billing_dq.reconcile") if name.startswith("sources/")}


def test_the_simulator_is_an_independent_proof() -> None:
    proof = PACKAGE.parent / "billing_dq_simulation"
    for path in proof.rglob("*.py"):
        where = path.relative_to(proof)
        if where.parts[0] in ("commands", "score.py"):  # these hold the simulator and the rules against each other
            continue
        forbidden = ("billing_dq.reconcile", "billing_dq.vocabulary", "billing_dq.defs")
        assert not {name for name in imports(path) if name.startswith(forbidden)}, where


def test_the_product_does_not_know_its_proof() -> None:
    assert not importing("billing_dq_simulation")


def test_the_rules_of_analysts_know_neither_dagster_nor_the_rules_of_the_night() -> None:
    ours = {name for name in importing("billing_dq.reconcile", "billing_dq.defs") if name.startswith("rules/")}
    assert not ours
    assert importing("duckdb") == {"rules/sql.py"}


def test_the_embedded_server_is_never_imported() -> None:
    assert not importing("secantusdb")


def test_stripe_and_pymongo_stay_at_the_edges() -> None:
    edges = ("sources/", "credits/")
    assert not {name for name in importing("stripe") if not name.startswith(edges)}
    assert not {name for name in importing("pymongo", "bson") if not name.startswith((*edges, "commands/"))}


def test_the_dagster_layer_keeps_its_annotations_readable() -> None:
    for path in (PACKAGE / "defs").rglob("*.py"):
        assert "from __future__ import annotations" not in path.read_text(encoding="utf-8"), named(path)


def test_the_vocabulary_knows_nothing_but_itself() -> None:
    for path in (PACKAGE / "vocabulary").rglob("*.py"):
        ours = {name for name in imports(path) if name.startswith("billing_dq") and name != "billing_dq"}
        assert not {name for name in ours if not name.startswith("billing_dq.vocabulary")}, named(path)


def test_no_property_depends_on_the_speed_of_the_machine() -> None:
    assert settings().deadline is None


def test_what_shows_the_nights_neither_decides_nor_knows_who_asks() -> None:
    shown = importing("billing_dq.commands", "billing_dq.defs", "billing_dq.credits")
    assert not {name for name in shown if name.startswith(("report/", "serving/"))}
    assert {name.split("/")[0] for name in importing("starlette", "uvicorn")} == {"serving"}
