"""The example notebook runs from top to bottom on a stored night, and ends at the key that was never debited."""

import re
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.support.stored_nights import store_sample

NOTEBOOK = Path(__file__).parents[1] / "examples" / "investigate.ipynb"


def text_of(cell: nbformat.NotebookNode) -> str:
    """What a cell printed and showed."""
    return "".join(output.get("text", "") or output["data"]["text/plain"] for output in cell.get("outputs", []))


# The kernel's own warnings are not ours.
@pytest.mark.filterwarnings("default")
def test_it_leads_from_a_finding_to_the_key_without_a_debit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample_documents: dict[str, list[dict[str, object]]]
) -> None:
    store_sample(tmp_path, deepcopy(sample_documents))
    monkeypatch.setenv("BILLING_DQ_HOME", str(tmp_path))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = {cell["source"]: text_of(cell) for cell in notebook.cells if cell["cell_type"] == "code"}
    (counted,) = [text for source, text in shown.items() if source.endswith("value_counts()")]
    assert re.search(r"key without a debit\s+[1-9]", counted)
    (queries,) = [text for source, text in shown.items() if "told.queries" in source]
    assert "db.getCollection(" in queries


def test_it_is_kept_without_outputs() -> None:
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
