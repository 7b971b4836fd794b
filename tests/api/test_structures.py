"""GET /structures: filters, orders, pages, forms."""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.db import connect
from ase.io import read
from databases import CUBE, FINGERPRINT, claim_next, lis2, record, run_job
from fastapi.testclient import TestClient
from pymatgen.core import Structure

from rm_engine.spec import GenerationSpec
from service.api import structures
from service.domain import Match, Reference
from service.jobs import add_references, record_generated, submit_job
from service.store import Store


@pytest.fixture
def jobs(store: Store) -> dict[str, str]:
    """Jobs in several chemical systems, by name."""
    (known,) = add_references(store, [Reference(name="known", atoms=CUBE)])
    one = {"n": 1, "formula_units": (1,)}
    return {
        "LiS2": run_job(
            store,
            lis2(3, model="toy"),
            [-1.0, -3.0, -3.0],
            matches={1: [Match(reference_id=known, rms=0.02)]},
            duplicates={2: 1},
        ),
        "Li2S": run_job(store, GenerationSpec(composition="Li4S2", model="toy", **one), [-2.0]),
        "LiPS": run_job(store, GenerationSpec(composition="LiPS", model="toy", **one), [-4.0]),
        "unconverged": run_job(store, GenerationSpec(composition="LiP", model="toy", **one), [-9.0], converged=False),
        "other": run_job(
            store,
            GenerationSpec(composition="LiS2", model="other", **one),
            [-8.0],
            formation_energy_per_atom=-0.5,
            band_gap=1.5,
            start="wyckoff",
            start_origin="225 a c",
        ),
    }


def test_what_is_not_analysed_yet_counts_as_no_duplicate(client: TestClient, store: Store) -> None:
    submit_job(store, lis2(1))
    assert record_generated(store, claim_next(store), [record(0)])
    assert [len(listed(client, f"kind={kind}")) for kind in ("new", "distinct", "known", "duplicate")] == [1, 1, 0, 0]


def listed(client: TestClient, query: str) -> list[float]:
    """Energies of the structures that a query lists, in its order."""
    response = client.get(f"/structures?{query}")
    assert response.status_code == 200, response.text
    return [item["pseudo_energy_per_atom"] for item in response.json()["items"]]


FILTERS: list[tuple[str, list[float]]] = [
    ("sort=energy", [-9, -4, -3, -3, -2, -1, -8]),  # the formation energy of the one with -8 is -0.5
    ("sort=-energy", [-8, -1, -2, -3, -3, -4, -9]),
    ("sort=created", [-1, -3, -3, -2, -4, -9, -8]),
    ("", [-8, -9, -4, -2, -3, -3, -1]),
    ("sort=energy_above_hull&unique=true&model=toy", [-3, -4, -2, -1, -9]),
    ("sort=energy&composition=Li3S6", [-3, -3, -1, -8]),
    ("sort=energy&composition=Li2S", [-2]),
    ("sort=energy&chemsys=S-Li&model=toy", [-3, -3, -2, -1]),
    ("sort=energy&elements=S,P", [-4]),
    ("sort=energy&elements=Li", [-9, -4, -3, -3, -2, -1, -8]),
    ("sort=energy&model=other", [-8]),
    ("sort=energy&converged=false", [-9]),
    ("sort=energy&unique=false", [-3]),
    ("sort=energy&unique=true&composition=LiS2&model=toy", [-3, -1]),
    ("matched=true", [-3]),
    ("kind=known", [-3]),
    ("kind=duplicate", [-3]),
    ("sort=energy&kind=new&model=toy", [-9, -4, -2, -1]),
    ("sort=energy&kind=distinct&composition=LiS2&model=toy", [-3, -1]),
    ("sort=energy&matched=false&model=toy", [-9, -4, -3, -2, -1]),
    ("sort=energy&energy_above_hull_max=1.5", [-4, -3, -3, -2, -8]),
    ("sort=energy&hull=true", [-4, -3, -3, -8]),
    ("sort=energy&hull=true&unique=true&chemsys=Li-S&model=toy", [-3]),
    ("sort=energy&hull=false", [-2, -1]),
    ("elements=O", []),
    ("start=wyckoff", [-8]),
    ("model=other&model_fingerprint=0123456789ab", [-8]),
    ("model_fingerprint=ba9876543210", []),
    ("start=references", []),
    ("band_gap_min=1.5", [-8]),
    ("band_gap_max=1.5", [-8]),
    ("band_gap_min=1.6&band_gap_max=2", []),
    ("smiles=CCO", []),
    ("passes_checks=false", []),
]


def test_filters_and_orders(client: TestClient, jobs: dict[str, str]) -> None:
    for query, energies in FILTERS:
        assert listed(client, query) == energies, query


def test_energies_say_their_kind_and_structures_their_start(client: TestClient, jobs: dict[str, str]) -> None:
    (item,) = client.get("/structures?model=other").json()["items"]
    assert (item["energy_kind"], item["formation_energy_per_atom"]) == ("formation", -0.5)
    assert item["band_gap"] == 1.5
    assert (item["start"], item["start_origin"]) == ("wyckoff", "225 a c")
    exported = client.get(item["links"]["self"], params={"format": "extxyz"}).text
    for told in ("energy_kind=formation", "formation_energy_per_atom=-0.5", "band_gap=1.5", "model=other"):
        assert told in exported


def test_a_job_lists_its_own(client: TestClient, jobs: dict[str, str]) -> None:
    links = client.get(f"/jobs/{jobs['LiS2']}").json()["links"]
    assert sorted(listed(client, links["structures"].partition("?")[2])) == [-3, -3, -1]


def test_an_item_tells_everything(client: TestClient, jobs: dict[str, str]) -> None:
    (item,) = client.get("/structures?matched=true").json()["items"]
    assert item["id"] == f"{jobs['LiS2']}-00001"
    expected: dict[str, Any] = {
        "job": jobs["LiS2"],
        "formula": "LiS2",
        "chemsys": "Li-S",
        "n_atoms": 3,
        "pseudo_energy_per_atom": -3.0,
        "formation_energy_per_atom": None,
        "band_gap": None,
        "energy_kind": "pseudo",
        "energy_above_hull": 0.0,
        "start": "random",
        "start_origin": None,
        "molecule": None,
        "model_fingerprint": FINGERPRINT,
        "space_group": {"number": 225, "symbol": "Fm-3m"},
        "converged": True,
        "model": "toy",
        "duplicate_of": None,
    }
    assert {name: item[name] for name in expected} == expected
    assert [(match["name"], match["formula"], match["rms"]) for match in item["matches"]] == [("known", "LiS2", 0.02)]
    assert "atoms" not in item
    (duplicate,) = client.get("/structures?unique=false").json()["items"]
    assert duplicate["duplicate_of"] == item["id"]
    assert client.get(item["links"]["self"]).json()["atoms"] == CUBE
    assert client.get(item["links"]["job"]).json()["counts"] == {
        "requested": 3, "finished": 3, "generated": 3, "converged": 3, "failed": 0, "matched": 1, "unique": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    "sort", ["energy", "-energy", "energy_above_hull", "-energy_above_hull", "created", "-created"]
)
def test_pages_are_complete_though_structures_are_added(client: TestClient, store: Store, sort: str) -> None:
    """With ties and missing distances; nothing that was there at the start is missed or comes twice."""
    spec = GenerationSpec(composition="LiS2", n=7, formula_units=(1,), model="toy")
    for converged in (True, False):
        run_job(store, spec, [-1.0, -2.0, -2.0, -2.0, -3.0, -1.0, -2.0], converged=converged)
    at_start = {item["id"] for item in client.get("/structures").json()["items"]}
    assert len(at_start) == 14
    found: list[str] = []
    for page in pages(client, f"/structures?sort={sort}&limit=3"):
        found += [item["id"] for item in page["items"]]
        if len(found) < 12:
            run_job(store, lis2(1, composition="LiP", model="toy"), [-2.0])
    assert len(found) == len(set(found))
    assert at_start <= set(found)


def pages(client: TestClient, path: str) -> Iterator[dict[str, Any]]:
    while path:
        page = client.get(path).json()
        yield page
        path = page["next"]


REFUSED = [
    ("composition=Xx", "unknown_element", "composition"),
    ("composition=", "empty_formula", "composition"),
    ("chemsys=Li-Xx", "unknown_element", "chemsys"),
    ("chemsys=" + "Li-" * 5000, "unknown_element", "chemsys"),
    ("elements=", "unknown_element", "elements"),
    ("elements=%00", "unknown_element", "elements"),
    ("job=1", "invalid_value", "job"),
    ("model=%00", "invalid_value", "model"),
    ("smiles=%00", "invalid_value", "smiles"),
    ("smiles=", "invalid_value", "smiles"),
    ("start=guess", "invalid_value", "start"),
    ("model_fingerprint=%00", "invalid_value", "model_fingerprint"),
    ("passes_checks=perhaps", "invalid_value", "passes_checks"),
    ("converged=perhaps", "invalid_value", "converged"),
    ("energy_above_hull_max=nan", "invalid_value", "energy_above_hull_max"),
    ("band_gap_min=-1", "out_of_range", "band_gap_min"),
    ("sort=colour", "invalid_value", "sort"),
    ("limit=0", "out_of_range", "limit"),
    ("limit=99999999999999999999", "out_of_range", "limit"),
    ("cursor=%00", "invalid_cursor", "cursor"),
    ("cursor=W10", "invalid_cursor", "cursor"),
    ("cursor=" + "W" * 4000, "invalid_cursor", "cursor"),
    ("colour=blue", "unknown_field", "colour"),
]


def test_bad_parameters_are_refused_by_name(client: TestClient) -> None:
    for query, code, field in REFUSED:
        response = client.get(f"/structures?{query}")
        problem = response.json()
        assert (response.status_code, problem["code"], problem["errors"][0]["field"]) == (422, code, field), problem


def test_a_cursor_belongs_to_its_order(client: TestClient, jobs: dict[str, str]) -> None:
    path = client.get("/structures?sort=energy&limit=1").json()["next"]
    response = client.get(path.replace("sort=energy", "sort=created"))
    assert (response.status_code, response.json()["code"]) == (422, "invalid_cursor")


FORMS = [
    ("*/*", "cif", "chemical/x-cif", "cif"),
    ("chemical/x-cif", None, "chemical/x-cif", "cif"),
    (
        "text/html;q=0.9, chemical/x-vasp-poscar;q=0.8, application/json;q=0.5",
        None,
        "chemical/x-vasp-poscar",
        "vasp",
    ),
    ("*/*", "poscar", "chemical/x-vasp-poscar", "vasp"),
    ("chemical/x-xyz", None, "chemical/x-xyz", "extxyz"),
    ("application/json", "extxyz", "chemical/x-xyz", "extxyz"),
]
FORMS_OF_PROGRAMS = [("application/vnd.pymatgen+json", "pymatgen", "json"), ("application/vnd.sqlite3", "ase-db", "db")]


def test_a_structure_comes_in_the_form_asked_for(client: TestClient, jobs: dict[str, str]) -> None:
    path = f"/structures/{jobs['LiS2']}-00001"
    for accept, format_, media_type, ase_format in FORMS:
        response = client.get(path, params={"format": format_} if format_ else {}, headers={"accept": accept})
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].split(";")[0] == media_type
        atoms = read(StringIO(response.text), format=ase_format)
        assert sorted(atoms.numbers) == [3, 16, 16]
        assert atoms.cell.cellpar() == pytest.approx([3, 3, 3, 90, 90, 90])
        fractions = np.sort(atoms.get_scaled_positions().round(6) % 1, axis=0)
        assert fractions[:, 0] == pytest.approx([0, 1 / 3, 2 / 3], abs=1e-5)


def test_pymatgen_and_ase_have_forms_of_their_own(client: TestClient, jobs: dict[str, str], tmp_path: Path) -> None:
    path = f"/structures/{jobs['LiS2']}-00001"
    found = {}
    for media_type, format_, ending in FORMS_OF_PROGRAMS:
        by_accept = client.get(path, headers={"accept": media_type})
        by_name = client.get(path, params={"format": format_})
        assert by_accept.headers["content-type"] == by_name.headers["content-type"] == media_type
        assert by_name.headers["content-disposition"] == f'inline; filename="{jobs["LiS2"]}-00001.{ending}"'
        found[format_] = by_name.content
    crystal = Structure.from_str(found["pymatgen"].decode(), "json")
    np.testing.assert_allclose(crystal.cart_coords, CUBE["positions"], atol=1e-12)
    database = tmp_path / "one.db"
    database.write_bytes(found["ase-db"])
    with connect(database) as rows:
        row = rows.get()
    assert (row.structure_id, row.pseudo_energy_per_atom) == (f"{jobs['LiS2']}-00001", -3.0)
    np.testing.assert_allclose(row.toatoms().positions, CUBE["positions"])


def test_json_is_the_default(client: TestClient, jobs: dict[str, str]) -> None:
    for accept in ("*/*", "application/json", "text/html, */*;q=0.1", "application/*"):
        response = client.get(f"/structures/{jobs['LiS2']}-00001", headers={"accept": accept})
        assert response.json()["atoms"] == CUBE


def test_what_nobody_can_have(client: TestClient, jobs: dict[str, str]) -> None:
    path = f"/structures/{jobs['LiS2']}-00001"
    for accept in ("text/html", "application/json;q=0", "application/json;q=x", ""):
        response = client.get(path, headers={"accept": accept})
        assert (response.status_code, response.json()["code"]) == (406, "not_acceptable"), accept
    response = client.get(path, params={"format": "pdb"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "format")


@pytest.mark.parametrize("structure_id", ["0" * 26 + "-00000", "nonsense", "%00"])
def test_an_unknown_structure_is_not_found(client: TestClient, structure_id: str) -> None:
    response = client.get(f"/structures/{structure_id}")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_structure")


def test_points_are_the_list_in_columns(client: TestClient, jobs: dict[str, str]) -> None:
    for query, _ in FILTERS:
        items = client.get(f"/structures?{query}").json()["items"]
        columns = client.get(f"/structures/points?{query}").json()
        assert columns.pop("is_complete") is True
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        assert rows == [_point(item) for item in items], query


def _point(item: dict[str, Any]) -> dict[str, Any]:
    same = ("id", "model", "reduced_formula", "energy_above_hull", "volume_per_atom")
    return {name: item[name] for name in same} | {
        "energy": item["formation_energy_per_atom"] or item["pseudo_energy_per_atom"],
        "opinion_energy": item["opinion"] and item["opinion"]["formation_energy_per_atom"],
        "known": bool(item["matches"]),
        "duplicate": item["duplicate_of"] is not None,
    }


def test_points_end_somewhere_and_say_so(
    client: TestClient, jobs: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(structures, "_MAX_POINTS", 2)
    first = client.get("/structures/points?sort=energy&model=toy").json()
    assert (first["energy"], first["is_complete"]) == ([-9.0, -4.0], False)
    assert client.get("/structures/points?model=other").json()["is_complete"] is True
    refused = client.get("/structures/points?limit=5").json()
    assert [error["field"] for error in refused["errors"]] == ["limit"], "there are no pages"
