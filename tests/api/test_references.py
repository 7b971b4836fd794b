"""POST and GET /references: uploads are read in a child with limits."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from ase.build import molecule
from fastapi.testclient import TestClient

from rm_engine.errors import InputError
from rm_engine.files import append_to_ase_db, from_json, write_sdf, write_structure
from service.domain import PUBLIC_GROUP
from service.jobs import load_references, seed_known_crystals
from service.sandbox import Sandbox
from service.store import Store

POSCAR = """lithium sulphide
1.0
0.0 2.854 2.854
2.854 0.0 2.854
2.854 2.854 0.0
Li S
2 1
direct
0.25 0.25 0.25
0.75 0.75 0.75
0.0 0.0 0.0
"""


def upload(**fields: str) -> dict[str, str]:
    return {"name": "antifluorite", "format": "poscar", "content": POSCAR, **fields}


def test_a_file_becomes_references_once(client: TestClient, store: Store) -> None:
    for _ in range(2):
        response = client.post("/references", json=upload(source="a book"))
        assert response.status_code == 201, response.text
    (item,) = response.json()["items"]
    assert (item["name"], item["formula"], item["chemsys"], item["source"]) == (
        "antifluorite",
        "Li2S",
        "Li-S",
        "a book",
    )
    assert client.get("/references").json()["items"] == [item]
    assert client.get("/references?composition=Li4S2").json()["items"] == [item]
    assert client.get("/references?composition=LiS").json()["items"] == []
    (stored,) = load_references(store, ["Li2S"], PUBLIC_GROUP)
    assert stored.atoms["numbers"] == [3, 3, 16]


@pytest.mark.parametrize("format_", ["cif", "extxyz", "pymatgen", "ase-db"])
def test_other_formats(client: TestClient, store: Store, tmp_path: Path, format_: str) -> None:
    client.post("/references", json=upload())
    (stored,) = load_references(store, ["Li2S"], PUBLIC_GROUP)
    if format_ == "ase-db":
        append_to_ase_db(tmp_path / "x.db", [from_json(stored.atoms)])
        content = b64encode((tmp_path / "x.db").read_bytes()).decode()
    else:
        content = write_structure(from_json(stored.atoms), format_)  # type: ignore[arg-type]
    response = client.post("/references", json=upload(format=format_, content=content))
    assert response.status_code == 201, response.text
    assert [item["formula"] for item in response.json()["items"]] == ["Li2S"]


def test_molecules_from_an_sdf(client: TestClient) -> None:
    content = write_sdf(molecule("H2O")) + write_sdf(molecule("CH4"))
    response = client.post("/references", json=upload(format="sdf", content=content))
    assert {item["formula"] for item in response.json()["items"]} == {"H2O", "CH4"}


def test_a_file_of_several_structures(client: TestClient) -> None:
    frame = '1\nLattice="3 0 0 0 3 0 0 0 3" Properties=species:S:1:pos:R:3 pbc="T T T"\n{} 0 0 0\n'
    content = "".join(frame.format(symbol) for symbol in ("Li", "S"))
    response = client.post("/references", json=upload(format="extxyz", content=content))
    found = {(item["name"], item["formula"]) for item in response.json()["items"]}
    assert found == {("antifluorite #1", "Li"), ("antifluorite #2", "S")}


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"content": POSCAR.replace("2 1", "2 x")}, "unreadable_structure_file", "content"),
        ({"content": POSCAR.replace("0.75 0.75 0.75", "nan nan nan")}, None, "content"),
        ({"content": POSCAR.replace("2 1", "99999999 1")}, "unreadable_structure_file", "content"),
        ({"content": "\x00"}, "unreadable_structure_file", "content"),
        ({"content": "data_x\nloop_\n", "format": "cif"}, "unreadable_structure_file", "content"),
        ({"content": "{}", "format": "pymatgen"}, "unreadable_structure_file", "content"),
        ({"content": "[" * 50_000, "format": "pymatgen"}, "unreadable_structure_file", "content"),
        ({"content": "[]", "format": "pymatgen"}, "no_structures", "content"),
        ({"content": "no database", "format": "ase-db"}, "unreadable_structure_file", "content"),
        ({"content": "bm8gZGF0YWJhc2U=", "format": "ase-db"}, "unreadable_structure_file", "content"),
        ({"content": "x", "format": "sdf"}, "unreadable_structure_file", "content"),
        ({"content": ""}, "invalid_value", "content"),
        ({"format": "pdb"}, "invalid_value", "format"),
        ({"name": ""}, "invalid_value", "name"),
        ({"name": "\x00"}, "invalid_value", "name"),
        ({"colour": "blue"}, "unknown_field", "colour"),
    ],
)
def test_what_is_no_reference(client: TestClient, fields: dict[str, str], code: str | None, field: str) -> None:
    response = client.post("/references", json=upload(**fields))
    problem = response.json()
    assert (response.status_code, problem["errors"][0]["field"]) == (422, field), problem
    assert code in (None, problem["code"])
    assert client.get("/references").json()["items"] == []


def test_the_line_is_named(client: TestClient) -> None:
    problem = client.post("/references", json=upload(content=POSCAR.replace("0.75 0.75", "0.75 x"))).json()
    assert "line 10" in problem["detail"]


def test_pages_are_complete(client: TestClient, store: Store) -> None:
    n_known = len(seed_known_crystals(store))
    found, path = [], "/references?limit=40"
    while path:
        page = client.get(path).json()
        found += [item["id"] for item in page["items"]]
        path = page["next"]
    assert len(found) == len(set(found)) == n_known


def test_what_takes_too_long_or_too_much_memory_breaks_off() -> None:
    for sandbox in (Sandbox(seconds=0.05, memory_bytes=2**31), Sandbox(seconds=20, memory_bytes=2**25)):
        with pytest.raises(InputError, match="too much time or memory"):
            sandbox.parse(POSCAR, "poscar")


def test_more_uploads_at_once_than_places_are_told_to_come_back(client: TestClient) -> None:
    sandbox = client.app.state.services.sandbox  # type: ignore[attr-defined]
    with sandbox.places, sandbox.places:
        response = client.post("/references", json=upload())
    assert (response.status_code, response.json()["code"]) == (503, "busy")
    assert "retry-after" in response.headers
    assert client.post("/references", json=upload()).status_code == 201
