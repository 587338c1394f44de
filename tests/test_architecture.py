"""What docs/architecture.md, "Who may import what", says and `lint-imports` (pyproject.toml) cannot see."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import settings

PACKAGE = Path(__file__).parents[1] / "billing_dq"
#: The rules: frames in, frames out.
PURE = [
    *(path for folder in ("reconcile", "quality") for path in (PACKAGE / folder).rglob("*.py")),
    *(PACKAGE / name for name in ("credits/plan.py", "alerts/changes.py", "alerts/current_alerts.py")),
]


@pytest.mark.parametrize("slow_to_import", ["great_expectations", "apprise"])
def test_a_library_that_costs_seconds_is_imported_inside_of_functions_only(slow_to_import: str) -> None:
    statement = re.compile(rf"(import|from) {slow_to_import}\b")
    sources = {path: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    importing = {path: text for path, text in sources.items() if statement.search(text)}
    assert importing
    for path, text in importing.items():
        assert not [node for node in ast.parse(text).body if statement.match(ast.unparse(node))], path


def test_the_rules_ask_no_clock() -> None:
    assert [path for path in PURE if re.search(r"(now|today)\(", path.read_text(encoding="utf-8"))] == []


def test_the_dagster_layer_keeps_its_annotations_readable() -> None:
    sources = {path: path.read_text(encoding="utf-8") for path in (PACKAGE / "defs").rglob("*.py")}
    assert [path for path, text in sources.items() if "from __future__ import annotations" in text] == []


def test_no_property_depends_on_the_speed_of_the_machine() -> None:
    assert settings().deadline is None
