"""GET /structures/export: what the list shows, as one file that is written while it is sent."""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
import tracemalloc
from collections.abc import Iterable, Sized
from contextlib import closing
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import ase.db
import httpx
import numpy as np
import pytest
from ase.build import molecule
from ase.io import read
from databases import CUBE, FINGERPRINT, lis2, run_job
from fastapi.testclient import TestClient
from keyed import SECRET, bearer, make_key
from live import Server
from pymatgen.core import Molecule, Structure
from servers import wait_until

from rm_engine.files import to_json
from rm_engine.spec import GenerationSpec
from service.api import downloads
from service.api.archives import ARCHIVES
from service.api.negotiation import MEDIA_TYPES
from service.domain import MoleculeRecord, Principal, Scope
from service.domain.views import StructureQuery
from service.main import create_app
from service.settings import Settings
from service.store import Store

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what is no matter of the database."""

GUIDE = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
WATER = to_json(molecule("H2O"))
WATER_RECORD = MoleculeRecord(
    smiles="O", is_connected=True, checks={}, passes_checks=True, bonds=((0, 1, 1), (0, 2, 1))
)


@pytest.fixture
def jobs(store: Store) -> dict[str, str]:
    """Crystals of two systems, one of them not converged and so without a distance to the hull; a molecule."""
    one = {"n": 1, "formula_units": (1,), "model": "toy"}
    no_group = {"space_group_number": None, "space_group_symbol": None}
    return {
        "LiS2": run_job(store, lis2(5, model="toy"), [-1.0, -3.0, -3.0, -2.0, -5.0], duplicates={2: 1}),
        "Li2S": run_job(store, GenerationSpec(composition="Li2S", **one), [-2.0], formation_energy_per_atom=-0.5),
        "LiP": run_job(store, GenerationSpec(composition="LiP", **one), [-9.0], converged=False),
        "H2O": run_job(
            store,
            GenerationSpec(composition="H2O", n=1, model="toy", periodic=(False, False, False)),
            [-4.0],
            molecule=WATER_RECORD,
            atoms=WATER,
            **no_group,
        ),
    }  # fmt: skip


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "_PAGE", 2)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary files are made."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def export(client: TestClient, format_: str, query: str = "") -> bytes:
    response = client.get(f"/structures/export?format={format_}&{query}")
    assert response.status_code == 200, response.text
    return response.content


def lines_of(content: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content.splitlines()]


QUERIES = [
    "", "sort=created", "sort=energy", "sort=-energy", "sort=energy_above_hull", "sort=-energy_above_hull",
    "composition=LiS2&sort=energy", "chemsys=Li-S", "elements=Li&sort=energy", "converged=false", "unique=true",
    "matched=false", "hull=true", "hull=false", "smiles=O", "energy_above_hull_max=2", "model=other",
]  # fmt: skip


def test_an_export_has_the_rows_of_the_list_in_its_order(
    client: TestClient, jobs: dict[str, str], small_pages: None
) -> None:
    for query in [*QUERIES, f"job={jobs['LiS2']}"]:
        listed = client.get(f"/structures?{query}").json()["items"]
        rows = lines_of(export(client, "jsonl", query))
        assert [{key: row[key] for key in row if key != "structure"} for row in rows] == listed, query


def test_pymatgen_reads_the_lines(client: TestClient, jobs: dict[str, str]) -> None:
    (water,) = lines_of(export(client, "jsonl", f"job={jobs['H2O']}"))
    found = Molecule.from_dict(water["structure"])
    np.testing.assert_allclose(found.cart_coords, WATER["positions"])
    for row in lines_of(export(client, "jsonl", f"job={jobs['LiS2']}")):
        crystal = Structure.from_dict(row["structure"])
        assert list(crystal.atomic_numbers) == CUBE["numbers"]
        np.testing.assert_allclose(crystal.cart_coords, CUBE["positions"], atol=1e-12)
        np.testing.assert_allclose(crystal.lattice.matrix, CUBE["cell"])


def test_ase_reads_extxyz_with_what_stands_beside_the_atoms(
    client: TestClient, jobs: dict[str, str], small_pages: None
) -> None:
    frames = read(StringIO(export(client, "extxyz", f"job={jobs['LiS2']}&sort=energy").decode()), ":", format="extxyz")
    assert [frame.info["pseudo_energy_per_atom"] for frame in frames] == [-5, -3, -3, -2, -1]
    frame = frames[0]
    np.testing.assert_allclose(frame.positions, CUBE["positions"])
    np.testing.assert_allclose(frame.cell, CUBE["cell"])
    assert frame.pbc.all()
    told = {name: frame.info[name] for name in ("id", "model", "energy_kind", "space_group", "space_group_number")}
    assert told == {
        "id": f"{jobs['LiS2']}-00004",
        "model": "toy",
        "energy_kind": "pseudo",
        "space_group": "Fm-3m",
        "space_group_number": 225,
    }
    (water,) = read(StringIO(export(client, "extxyz", "smiles=O").decode()), ":", format="extxyz")
    assert not water.pbc.any()


def test_a_zip_opens_with_a_cif_or_an_sdf_for_each(client: TestClient, jobs: dict[str, str], small_pages: None) -> None:
    with ZipFile(BytesIO(export(client, "zip", "sort=created"))) as archive:
        assert archive.testzip() is None
        listed = [item["id"] for item in client.get("/structures?sort=created").json()["items"]]
        names = [f"{key}.{'sdf' if key.startswith(jobs['H2O']) else 'cif'}" for key in listed]
        assert archive.namelist() == names
        crystal = read(StringIO(archive.read(f"{jobs['LiS2']}-00000.cif").decode()), format="cif")
        water = read(StringIO(archive.read(f"{jobs['H2O']}-00000.sdf").decode()), format="sdf")
    assert crystal.cell.cellpar() == pytest.approx([3, 3, 3, 90, 90, 90])
    np.testing.assert_allclose(water.positions, WATER["positions"], atol=1e-4)


def test_ase_opens_the_database(
    client: TestClient, jobs: dict[str, str], small_pages: None, tmp_path: Path, temporary: Path
) -> None:
    path = tmp_path / "found.db"
    path.write_bytes(export(client, "ase-db", "sort=energy"))
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    with ase.db.connect(path) as database:
        rows = list(database.select())
        assert [row.structure_id for row in database.select("formation_energy_per_atom<0")] == [f"{jobs['Li2S']}-00000"]
    assert [row.structure_id for row in rows] == [
        item["id"] for item in client.get("/structures?sort=energy").json()["items"]
    ]
    assert {row.user for row in rows} == {None}, "of whom the server runs as, nothing is told"
    (row,) = (row for row in rows if row.structure_id == f"{jobs['LiS2']}-00004")
    assert (row.pseudo_energy_per_atom, row.model, row.space_group) == (-5.0, "toy", "Fm-3m")
    assert row.get("model_fingerprint", row.data.get("model_fingerprint")) == FINGERPRINT
    np.testing.assert_allclose(row.toatoms().positions, CUBE["positions"])
    assert list(temporary.iterdir()) == []


@on_sqlite
def test_the_guide_reads_what_is_exported(
    client: TestClient, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_job(store, lis2(3, model="mp20-plus"), [-1.0, -3.0, -3.0])
    for format_, archive in ARCHIVES.items():
        (tmp_path / f"structures.{archive.ending}").write_bytes(export(client, format_, "sort=energy"))
    monkeypatch.chdir(tmp_path)
    *_, block = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    found: dict[str, Any] = {}
    exec(block, found)
    assert found["energies"] == [-3, -3, -1]
    assert [len(atoms) for atoms in found["low"]] == [3, 3]
    assert [crystal.reduced_formula for crystal in found["crystals"]] == ["LiS2"] * 3


def test_the_guide_names_every_format_and_limit() -> None:
    for table in (MEDIA_TYPES, {name: archive.media_type for name, archive in ARCHIVES.items()}):
        for name, media_type in table.items():
            assert re.search(rf"^\| `{name}`.*\| `{re.escape(media_type)}` \|$", GUIDE, re.MULTILINE), name
    assert {f"RMATCH_{name.upper()}" for name in Settings.model_fields} >= set(re.findall(r"RMATCH_\w+", GUIDE))


def test_text_that_looks_like_a_number_is_kept_in_the_database(
    client: TestClient, store: Store, tmp_path: Path
) -> None:
    job = run_job(store, lis2(1, model="2026"), [-1.0], model_fingerprint="000000000012")
    path = tmp_path / "found.db"
    path.write_bytes(export(client, "ase-db", f"job={job}"))
    with ase.db.connect(path) as database:
        (row,) = database.select()
    assert row.data == {"model": "2026", "model_fingerprint": "000000000012"}


@on_sqlite
@pytest.mark.parametrize("format_", ARCHIVES)
def test_headers_tell_what_file_it_is(client: TestClient, jobs: dict[str, str], format_: str) -> None:
    response = client.get(f"/structures/export?format={format_}")
    archive = ARCHIVES[format_]  # type: ignore[index]
    assert response.headers["content-type"].partition(";")[0] == archive.media_type
    assert response.headers["content-disposition"] == f'attachment; filename="structures.{archive.ending}"'
    assert "content-length" not in response.headers


def test_nothing_found_is_a_file_without_structures(client: TestClient, jobs: dict[str, str], tmp_path: Path) -> None:
    nothing = "elements=O&composition=LiS2"
    assert export(client, "extxyz", nothing) == export(client, "jsonl", nothing) == b""
    assert ZipFile(BytesIO(export(client, "zip", nothing))).namelist() == []
    path = tmp_path / "found.db"
    path.write_bytes(export(client, "ase-db", nothing))
    with ase.db.connect(path) as database:
        assert len(database) == 0


REFUSED = [
    ("format=pdb", "invalid_value", "format"),
    ("composition=Xx", "unknown_element", "composition"),
    ("limit=5", "unknown_field", "limit"),
    ("cursor=W10", "unknown_field", "cursor"),
    ("sort=colour", "invalid_value", "sort"),
]


@on_sqlite
def test_bad_parameters_are_refused_by_name(client: TestClient) -> None:
    for query, code, field in REFUSED:
        response = client.get(f"/structures/export?{query}")
        problem = response.json()
        assert (response.status_code, problem["code"], problem["errors"][0]["field"]) == (422, code, field), problem


def test_more_structures_than_go_into_a_file_are_refused_before_it_begins(
    settings: Settings, store: Store, jobs: dict[str, str]
) -> None:
    """Eight structures; of a zip there may be five, of others seven."""
    bounded = settings.model_copy(update={"max_export_structures": 7, "max_export_files": 5})
    with TestClient(create_app(bounded), "http://localhost") as client:
        for format_ in ARCHIVES:
            most = 5 if format_ == "zip" else 7
            for query in ("", "elements=Li&sort=energy", f"job={jobs['LiS2']}", "model=toy&unique=true&chemsys=Li-S"):
                n = len(client.get(f"/structures?{query}").json()["items"])
                response = client.get(f"/structures/export?format={format_}&{query}")
                assert response.status_code == (422 if n > most else 200), (format_, query, n)
                if n > most:
                    problem = response.json()
                    assert (problem["code"], problem["errors"][0]["field"]) == ("too_many_structures", "format")
                    assert f"more than {most} structures" in problem["detail"]


@on_sqlite
def test_a_group_exports_its_own(settings: Settings, store: Store) -> None:
    guarded = settings.model_copy(update={"keys": "on", "key_secret": SECRET})
    own = {
        group: run_job(store, lis2(2), [-1.0, -2.0], principal=Principal("", group, frozenset(Scope)))
        for group in ("a", "b")
    }
    with TestClient(create_app(guarded), "http://localhost") as client:
        assert client.get("/structures/export").status_code == 401
        assert client.get("/structures/export", headers=bearer(make_key(store, "a", Scope.WRITE))).status_code == 403
        client.headers.update(bearer(make_key(store, "a", Scope.READ)))
        for query in ("", "composition=LiS2", "elements=S&sort=energy"):
            assert {row["job"] for row in lines_of(export(client, "jsonl", query))} == {own["a"]}, query
        assert export(client, "jsonl", f"job={own['b']}") == b""


N_MANY = 2000


@on_sqlite
def test_memory_does_not_grow_with_the_export(store: Store, monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    """Ten times the structures take little more; what all of them at once would take is measured too.

    A zip ends with a list of its files, of some 600 bytes each.
    """
    monkeypatch.setattr(downloads, "_PAGE", 50)
    spec = GenerationSpec(composition="LiS2", n=N_MANY, formula_units=(1,), model="toy")
    run_job(store, spec, [float(k) for k in range(N_MANY)])
    for name, archive in ARCHIVES.items():
        n = N_MANY if name == "jsonl" else N_MANY // 5  # of the others, which take longer
        few, many = (
            StructureQuery(group="public", limit=downloads._PAGE, energy_above_hull_max=m - 1) for m in (n // 10, n)
        )
        next(archive.write(downloads._read_pages(store, few)))  # it imports what it needs
        small, peak_of_few = measure(archive.write(downloads._read_pages(store, few)))
        large, peak_of_many = measure(archive.write(downloads._read_pages(store, many)))
        _, held = measure(list(pages) for pages in [downloads._read_pages(store, many)])
        assert large > 5 * small, name
        assert peak_of_many - peak_of_few < held / 3, (name, peak_of_few, peak_of_many, held)


def measure(pieces: Iterable[Sized]) -> tuple[int, int]:
    """The length of all pieces, and the most bytes that Python held at a time while they were taken."""
    tracemalloc.start()
    length = sum(map(len, pieces))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return length, peak


@pytest.fixture
def server(settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, temporary: Path) -> Server:
    """With room for one export, and more structures than the network takes in at once."""
    monkeypatch.setattr(downloads, "_PAGE", 20)
    n = 400
    run_job(store, GenerationSpec(composition="LiS2", n=n, formula_units=(1,), model="toy"), [-1.0] * n)
    return Server(settings.model_copy(update={"max_exports": 1}))


@on_sqlite
@pytest.mark.parametrize("format_", ["jsonl", "ase-db"])
def test_a_client_that_goes_away_leaves_nothing_behind(server: Server, temporary: Path, format_: str) -> None:
    with server.running() as client:
        with client.stream("GET", f"/structures/export?format={format_}") as response:
            assert response.status_code == 200
            if format_ == "jsonl":
                next(response.iter_bytes(1000))
            else:
                wait_until(lambda: list(temporary.glob("*/structures.db")), "the database is being written")
            refused = client.get("/structures/export?format=jsonl&model=other")
            assert (refused.status_code, refused.json()["code"]) == (503, "busy")
            assert int(refused.headers["retry-after"]) > 0
            assert client.get("/structures?limit=1").status_code == 200
        wait_until(
            lambda: client.get("/structures/export?format=jsonl&model=other").status_code == 200, "the place is free"
        )
        assert list(temporary.iterdir()) == []
        assert server.app.state.services.store.pool_use().in_use == 0


@on_sqlite
@pytest.mark.parametrize("format_", ARCHIVES)
def test_an_export_that_takes_too_long_is_broken_off(
    settings: Settings, store: Store, jobs: dict[str, str], temporary: Path, format_: str
) -> None:
    server = Server(settings.model_copy(update={"export_seconds": 1e-6, "max_exports": 1}))
    with server.running() as client:
        for _ in range(2):  # the place is free again
            with client.stream("GET", f"/structures/export?format={format_}") as response:
                assert response.status_code == 200
                with pytest.raises(httpx.RemoteProtocolError):
                    response.read()
    assert list(temporary.iterdir()) == []
