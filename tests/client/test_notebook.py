"""The notebook of the documentation, run as it stands against a service."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebooks" / "first-hull.ipynb"
URL = "http://localhost:8000"


def test_the_notebook_finds_the_hull(service_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.reads(NOTEBOOK.read_text(), as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is stored without what it printed"
    assert any(URL in cell.source for cell in notebook.cells)
    for cell in notebook.cells:
        cell.source = cell.source.replace(URL, service_url)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in printed if output.get("name") == "stderr"], "nothing warns"
    shown = json.dumps(printed)
    assert "Li2S" in shown
    assert "image/png" in shown
    assert "_cell_length_a" in (tmp_path / "Li2S.cif").read_text()
