"""Molecules in the API: what their examination found, filters by it, the forms they come in."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from ase.build import molecule
from ase.io import read
from databases import run_job
from fastapi.testclient import TestClient

from rm_engine.files import to_json
from rm_engine.spec import GenerationSpec
from service.domain import MoleculeRecord
from service.store import Store

ETHANOL = to_json(molecule("CH3CH2OH"))
ETHANOL_RECORD = MoleculeRecord(
    smiles="CCO",
    is_connected=True,
    checks={"sanitization": True, "bond_lengths": True},
    passes_checks=True,
    bonds=((1, 0, 1), (2, 1, 1), (3, 2, 1), (4, 0, 1), (5, 0, 1), (6, 1, 1), (7, 1, 1), (8, 1, 1)),
)
BROKEN_RECORD = MoleculeRecord(
    smiles=None, is_connected=False, checks={"sanitization": False, "bond_lengths": False}, passes_checks=False
)


@pytest.fixture
def paths(store: Store) -> dict[str, str]:
    """A sound molecule, and one without perceivable bonds."""
    spec = GenerationSpec(composition="C2H6O", n=1, periodic=(False, False, False), model="toy")
    no_group = {"space_group_number": None, "space_group_symbol": None, "atoms": ETHANOL}
    found = {
        name: run_job(store, spec, [-1.0], molecule=record, **no_group)
        for name, record in (("sound", ETHANOL_RECORD), ("broken", BROKEN_RECORD))
    }
    return {name: f"/structures/{job_id}-00000" for name, job_id in found.items()}


def ids(client: TestClient, query: str) -> list[str]:
    response = client.get(f"/structures?{query}")
    assert response.status_code == 200, response.text
    return [item["links"]["self"] for item in response.json()["items"]]


def test_a_molecule_tells_what_its_examination_found(client: TestClient, paths: dict[str, str]) -> None:
    item: dict[str, Any] = client.get(paths["sound"]).json()
    assert item["molecule"] == {
        "smiles": "CCO",
        "is_connected": True,
        "passes_checks": True,
        "checks": {"sanitization": True, "bond_lengths": True},
    }
    assert (item["space_group"], item["energy_above_hull"]) == (None, None)
    assert client.get(paths["broken"]).json()["molecule"]["smiles"] is None
    listed = client.get("/structures?smiles=CCO").json()["items"]
    assert [entry["molecule"] for entry in listed] == [item["molecule"]]


def test_molecules_are_found_by_smiles_and_checks(client: TestClient, paths: dict[str, str]) -> None:
    assert ids(client, "smiles=CCO") == [paths["sound"]]
    assert ids(client, "smiles=OCC") == [], "only the canonical one"
    assert ids(client, "passes_checks=true") == [paths["sound"]]
    assert ids(client, "passes_checks=false") == [paths["broken"]]


@pytest.mark.parametrize(
    ("accept", "format_", "media_type", "ase_format"),
    [
        ("*/*", "sdf", "chemical/x-mdl-sdfile", "sdf"),
        ("chemical/x-mdl-sdfile", None, "chemical/x-mdl-sdfile", "sdf"),
        ("chemical/*", None, "chemical/x-mdl-sdfile", "sdf"),
        ("chemical/x-xyz", None, "chemical/x-xyz", "extxyz"),
        ("*/*", "xyz", "chemical/x-xyz", "xyz"),
        ("*/*", "extxyz", "chemical/x-xyz", "extxyz"),
    ],
)
@pytest.mark.parametrize("which", ["sound", "broken"])
def test_a_molecule_comes_in_the_form_asked_for(
    client: TestClient,
    paths: dict[str, str],
    which: str,
    accept: str,
    format_: str | None,
    media_type: str,
    ase_format: str,
) -> None:
    response = client.get(paths[which], params={"format": format_} if format_ else {}, headers={"accept": accept})
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].split(";")[0] == media_type
    atoms = read(StringIO(response.text), format=ase_format)
    assert atoms.numbers.tolist() == ETHANOL["numbers"]
    assert abs(atoms.positions - molecule("CH3CH2OH").positions).max() < 1e-4
    assert "pseudo" in response.text
    assert "toy" in response.text


def test_an_sdf_holds_the_bonds_that_were_perceived(client: TestClient, paths: dict[str, str]) -> None:
    counts = {name: client.get(path, params={"format": "sdf"}).text.splitlines()[3][:6] for name, path in paths.items()}
    assert counts == {"sound": "  9  8", "broken": "  9  0"}


def test_a_molecule_has_no_cif_and_a_crystal_no_sdf(client: TestClient, store: Store, paths: dict[str, str]) -> None:
    response = client.get(paths["sound"], params={"format": "cif"})
    assert (response.status_code, response.json()["code"]) == (422, "no_cell")
    response = client.get(paths["sound"], headers={"accept": "chemical/x-cif"})
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")
    crystal = run_job(store, GenerationSpec(composition="LiS2", n=1, model="toy"), [-1.0])
    for format_ in ("sdf", "xyz"):
        response = client.get(f"/structures/{crystal}-00000", params={"format": format_})
        assert (response.status_code, response.json()["code"]) == (422, "no_molecule")
