"""docs/tables.md says what the code says: columns, grades, finding kinds, ledger rules, decisions."""

import re

from billing_dq.reconcile.disputes import decisions
from billing_dq.reconcile.findings.severity import OF_KIND
from billing_dq.reconcile.meter.causes import ALWAYS_BY_DESIGN, Cause
from billing_dq.tables import TABLES
from tests.support.table_reference import PAGE, with_columns

DECIDED = "Decisions about a dispute"
TEXT = PAGE.read_text(encoding="utf-8")
CAUSES = (PAGE.parent / "causes.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(text: str) -> dict[str, list[str]]:
    """The rows of a section's table: the words in its first column, and the other cells."""
    cells = [[cell.strip() for cell in line.split(" | ")] for line in re.findall(r"^\| (`.*) \|$", text, re.M)]
    return {word: line[1:] for line in cells for word in re.findall(r"`(\w+)`", line[0])}


def test_the_columns_are_those_of_the_contracts_or_make_reference_was_forgotten():
    assert with_columns(TEXT, TABLES.values()) == TEXT


def test_every_finding_kind_has_its_row_with_its_severity():
    documented = {kind: cells[-1] for kind, cells in rows(section(TEXT, "Finding kinds")).items()}
    assert {kind: documented.get(kind) for kind in OF_KIND} == OF_KIND


def test_the_causes_stand_in_their_order_and_are_by_design_or_not():
    documented = rows(section(CAUSES, "The causes"))
    assert list(documented) == list(Cause)
    assert {cause for cause, cells in documented.items() if cells[-1] == "yes"} == ALWAYS_BY_DESIGN


def test_every_decision_about_a_dispute_has_its_reasons():
    documented = {word: set(re.findall(r"`(\w+)`", cells[0])) for word, cells in rows(section(TEXT, DECIDED)).items()}
    said = dict(re.findall(r"^\| (\w+) \| (\w+, .*|\w+) \|$", decisions.__doc__ or "", re.M))
    assert set(documented) == set(said) - {"decision"}
    for decision in documented:
        assert set(said[decision].split(", ")) <= documented[decision]
