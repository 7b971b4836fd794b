"""Imports from the Materials Project, for which a small server stands in that asks for a key as it does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ase.build import bulk
from imports import Command, Stored, summary
from providers import Answer, Provider, Question, run_provider
from pymatgen.core import Structure
from pymatgen.io.ase import AseAtomsAdaptor

from rm_engine.files import from_json

KEY = "0123456789abcdefghijklmnopqrstuv"
CRYSTALS = {
    f"mp-{number}": AseAtomsAdaptor.get_structure(bulk("LiF", "rocksalt", a=4 + number / 10)) for number in range(7)
}


def document(material_id: str, structure: dict[str, Any]) -> dict[str, Any]:
    return {"material_id": material_id, "structure": structure}


@pytest.fixture
def materials() -> list[dict[str, Any]]:
    """Seven crystals, one of a shared site, two that are broken."""
    shared = Structure([[3, 0, 0], [0, 3, 0], [0, 0, 3]], [{"Li": 0.5, "Na": 0.5}], [[0, 0, 0]])
    broken = [document("mp-8", {"lattice": {}, "sites": []}), {"structure": None}]
    known = [document(key, structure.as_dict()) for key, structure in CRYSTALS.items()]
    return [*known, document("mp-7", shared.as_dict()), *broken]


@pytest.fixture
def provider(materials: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    def answer(question: Question) -> Answer:
        if provider.headers[-1].get("x-api-key") != KEY:
            return Answer({"message": "No API key found in request"}, 401)
        start, size = int(question["_skip"]), int(question["_limit"])
        return Answer({"data": materials[start : start + size], "meta": {"total_doc": len(materials)}})

    with run_provider(answer) as provider:
        monkeypatch.setenv("RMATCH_MATERIALS_PROJECT_URL", provider.url)
        yield provider


def test_materials_are_imported_by_the_key_of_the_user(
    provider: Provider, rmatch: Command, stored: Stored, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    command = ("import", "materials-project", "--api-key-file", tmp_path / "key", "--page-size", 4)
    result = rmatch(*command, "--system", "Li-F")
    assert result.stdout == summary(7, 0, 1, 2)
    assert "skipped: 'mp-7: disorder'" in result.stderr
    for line in ("unreadable: 'mp-8: lattice.matrix: ", "unreadable: 'document: material_id: "):
        assert line in result.stderr
    assert KEY not in result.output
    found = stored()
    assert {name: AseAtomsAdaptor.get_structure(from_json(item.atoms)) for name, item in found.items()} == CRYSTALS
    assert {item.source for item in found.values()} == {"Materials Project"}
    assert [question["_skip"] for question in provider.questions] == ["0", "4", "8", "10"]
    for question in provider.questions:
        assert question["path"] == "/materials/summary/"
        assert question["chemsys"] == "F-Li"
        assert question["deprecated"] == "false"
    assert rmatch(*command, "--elements", "Li, F").stdout == summary(0, 7, 1, 2)
    assert provider.questions[-1]["elements"] == "F,Li"
    assert rmatch("list").stdout.count("chemsys=F-Li") == 1


def test_the_key_may_be_a_setting(provider: Provider, rmatch: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Give --api-key-file FILE, or set RMATCH_MATERIALS_PROJECT_KEY" in str(
        rmatch("import", "materials-project").exception
    )
    assert provider.questions == []
    monkeypatch.setenv("RMATCH_MATERIALS_PROJECT_KEY", KEY)
    assert rmatch("import", "materials-project").stdout == summary(7, 0, 1, 2)


def test_a_key_that_is_not_known_is_refused(
    provider: Provider, rmatch: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RMATCH_MATERIALS_PROJECT_KEY", "another")
    message = str(rmatch("import", "materials-project").exception)
    assert "refuses with status 401" in message
    assert "another" not in message


def test_filters_are_for_optimade(rmatch: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMATCH_MATERIALS_PROJECT_KEY", KEY)
    result = rmatch("import", "materials-project", "--filter", "nelements=2")
    assert "Choose by --system or --elements" in str(result.exception)
