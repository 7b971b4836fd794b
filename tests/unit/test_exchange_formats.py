"""JSON of pymatgen, databases of ASE and SDF: there and back, and nothing but structures taken from them."""

from __future__ import annotations

import gzip
import json
import sqlite3
import struct
from base64 import b64encode
from contextlib import closing
from pathlib import Path
from typing import Any

import ase.db
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.singlepoint import SinglePointCalculator
from pymatgen.core import DummySpecies, Lattice, Molecule, Structure

from rm_engine.errors import FileFormatError, InputError
from rm_engine.files import (
    FileLimits,
    append_to_ase_db,
    parse_structures,
    read_structures,
    write_pymatgen,
    write_sdf,
    write_structure,
)

SLAB = Atoms("LiS", positions=[[0.1, 0.2, 0.3], [1.5, 9.0, -0.4]], cell=[[3, 0, 0], [0.5, 3, 0], [0, 0, 20]])
SLAB.pbc = (True, True, False)
STRUCTURES = {"crystal": bulk("NaCl", "rocksalt", a=5.64), "slab": SLAB, "molecule": molecule("CH3CH2OH")}
WATER = write_sdf(molecule("H2O"), title="water", properties={"energy": -1.5, "note": "wet"})


def assert_same(found: Atoms, expected: Atoms, tolerance: float = 1e-12) -> None:
    """The same atoms in the same order and place."""
    assert found.numbers.tolist() == expected.numbers.tolist()
    assert found.pbc.tolist() == expected.pbc.tolist()
    np.testing.assert_allclose(found.positions, expected.positions, atol=tolerance)
    np.testing.assert_allclose(found.cell.array, expected.cell.array, atol=tolerance)


@pytest.mark.parametrize("name", STRUCTURES)
def test_pymatgen_and_ase_give_back_what_was_written(tmp_path: Path, name: str) -> None:
    atoms = STRUCTURES[name]
    (found,) = parse_structures(write_structure(atoms, "pymatgen"), "pymatgen")
    assert_same(found, atoms)
    path = tmp_path / "one.db"
    append_to_ase_db(path, [atoms])
    (stored,) = read_structures(path)
    assert_same(stored.atoms, atoms)
    with ase.db.connect(path) as database:
        assert_same(database.get_atoms(), atoms)


def test_pymatgen_reads_what_is_written_and_is_read() -> None:
    crystal = Structure.from_dict(write_pymatgen(STRUCTURES["slab"]))
    assert (type(crystal), crystal.lattice.pbc) == (Structure, (True, True, False))
    assert Molecule.from_dict(write_pymatgen(STRUCTURES["molecule"])).formula == "H6 C2 O1"
    charged = crystal.copy()
    charged.add_oxidation_state_by_element({"Li": 1, "S": -2})
    charged.add_site_property("spin", [np.array([1.0, 2.0]), None])
    texts = [crystal.to_json(), charged.to_json(), f"[{crystal.to_json()}, {charged.to_json()}]"]
    for atoms in (atoms for text in texts for atoms in parse_structures(text, "pymatgen")):
        assert_same(atoms, SLAB)


def test_a_periodic_structure_without_cell_is_no_structure_of_pymatgen() -> None:
    with pytest.raises(InputError, match="no cell"):
        write_pymatgen(Atoms("Li", pbc=True))


def test_classes_that_a_json_names_are_not_made(tmp_path: Path) -> None:
    """What pymatgen decodes in properties may name any class of any module."""
    trap = {"@module": "pathlib", "@class": "Path", "@version": None}
    written: dict[str, Any] = Structure(Lattice.cubic(3), ["Li"], [[0, 0, 0]]).as_dict()
    written["properties"] = written["sites"][0]["properties"] = {"trap": trap}
    written["lattice"] |= trap
    (found,) = parse_structures(json.dumps({**written, **trap}), "pymatgen")
    assert len(found) == 1


LITHIUM = Structure(Lattice.cubic(3), ["Li"], [[0, 0, 0]])
PYMATGEN_ERRORS = {
    "no JSON": ('{\n"sites": x}', 2, "no JSON"),
    "deep": ("[" * 100_000, None, "cannot be read"),
    "a long number": ("9" * 10_000, None, "cannot be read"),
    "a number": ("5", None, "no sites"),
    "nothing": ("{}", None, "no sites"),
    "no atoms": ('{"sites": []}', None, "0 atoms"),
    "sites": ('{"sites": [1]}', None, "as Molecule"),
    "lattice": ('{"lattice": 5, "sites": [{}]}', None, "as Structure"),
    "not finite": (LITHIUM.to_json().replace("3.0", "NaN"), None, "a length is not a number"),
    "partly occupied": (Structure(Lattice.cubic(3), [{"Li": 0.5}], [[0, 0, 0]]).to_json(), None, "partly occupied"),
    "no element": (Structure(Lattice.cubic(3), [DummySpecies("X")], [[0, 0, 0]]).to_json(), None, "unknown elements"),
}


@pytest.mark.parametrize(("text", "line", "reason"), PYMATGEN_ERRORS.values(), ids=PYMATGEN_ERRORS)
def test_json_that_is_no_structure_is_refused(text: str, line: int | None, reason: str) -> None:
    with pytest.raises(FileFormatError, match=reason) as caught:
        parse_structures(text, "pymatgen")
    assert caught.value.line == line


def test_files_are_known_by_their_endings(tmp_path: Path) -> None:
    atoms = STRUCTURES["molecule"]
    (tmp_path / "a.json").write_text(write_structure(atoms, "pymatgen"))
    (tmp_path / "a.json.gz").write_bytes(gzip.compress((tmp_path / "a.json").read_bytes()))
    for name in ("a.sdf", "a.mol"):
        (tmp_path / name).write_text(write_sdf(atoms))
    append_to_ase_db(tmp_path / "a.db", [atoms])
    for path in tmp_path.iterdir():
        (stored,) = read_structures(path)
        assert_same(stored.atoms, atoms, 1e-4)


def test_values_beside_the_atoms_are_read(tmp_path: Path) -> None:
    path = tmp_path / "two.sdf"
    path.write_text(WATER + WATER.replace("water", ""))
    first, second = read_structures(path)
    assert (first.name, second.name) == ("water", "two.sdf#2")
    assert first.info == {"energy": "-1.5", "note": "wet"}
    atoms = bulk("Li")
    atoms.calc = SinglePointCalculator(atoms, energy=-1.9)
    with ase.db.connect(tmp_path / "of_ase.db") as database:
        database.write(atoms, name="bcc", gap=0.0, data={"any": [1, 2]})
    (stored,) = read_structures(tmp_path / "of_ase.db")
    assert (stored.name, stored.info) == ("bcc", {"name": "bcc", "gap": 0.0, "energy": -1.9})


def test_a_database_keeps_numbers_texts_and_what_only_looks_like_one(tmp_path: Path) -> None:
    atoms = bulk("Li")
    atoms.info = {"model": "mp20", "hash": "000123", "flag": "True", "energy_per_atom": -1.5}
    for _ in range(2):
        append_to_ase_db(tmp_path / "a.db", [atoms, atoms])
    with ase.db.connect(tmp_path / "a.db") as database:
        rows = list(database.select())
    assert len(rows) == 4
    assert rows[3].key_value_pairs == {"model": "mp20", "energy_per_atom": -1.5}
    assert rows[3].data == {"hash": "000123", "flag": "True"}
    assert rows[3].user is None


SDF_ERRORS = {
    "cut": (WATER.partition("V2000")[0] + "V2000\n", None, "ends within"),
    "header": ("a\nb\n", 2, "V2000"),
    "version": (WATER.replace("V2000", "V3000"), 4, "V2000"),
    "flat": (WATER.replace("3D", "2D"), 2, "flat"),
    "count": (WATER.replace("  3  2", "  x  2").replace("  3  0", "  x  0"), 4, "number of atoms"),
    "no atoms": (WATER.replace("  3  0", "  0  0"), 4, "0 atoms"),
    "coordinate": (WATER.replace("0.7632", "zero", 1), 6, "three coordinates"),
    "element": (WATER.replace(" O ", " Q "), 5, "element symbol"),
    "second": (WATER + WATER.replace(" O ", " Q "), 20, "element symbol"),
}


@pytest.mark.parametrize(("text", "line", "reason"), SDF_ERRORS.values(), ids=SDF_ERRORS)
def test_sdf_errors_have_the_line(text: str, line: int | None, reason: str) -> None:
    with pytest.raises(FileFormatError, match=reason) as caught:
        parse_structures(text, "sdf")
    assert caught.value.line == line


def make_database(folder: Path, *statements: str) -> Path:
    """A database of ASE with one structure, changed."""
    path = folder / "changed.db"
    append_to_ase_db(path, [bulk("Li")])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    return path


HOSTILE = {
    "a view": ("ALTER TABLE systems RENAME TO s", "CREATE VIEW systems AS SELECT * FROM s"),
    "no table": ("DROP TABLE systems",),
    "no column": ("ALTER TABLE systems DROP COLUMN pbc",),
    "short": ("UPDATE systems SET positions = x'00'",),
    "nothing": ("UPDATE systems SET numbers = NULL",),
    "text": ("UPDATE systems SET pbc = 'TTT'",),
    "far away": (f"UPDATE systems SET positions = x'{struct.pack('<3d', 1e300, 0, 0).hex()}'",),
    "no number": (f"UPDATE systems SET cell = x'{struct.pack('<9d', *[float('nan')] * 9).hex()}'",),
    "no element": ("UPDATE systems SET numbers = x'FFFFFFFF'",),
    "no atoms": ("UPDATE systems SET numbers = x'', positions = x''",),
    "many atoms": ("UPDATE systems SET numbers = zeroblob(400000)",),
    "a giant": ("UPDATE systems SET positions = zeroblob(100000000)",),
    "pairs": ("UPDATE systems SET key_value_pairs = '[1]'",),
    "not UTF-8": ("UPDATE systems SET key_value_pairs = CAST(x'FF' AS TEXT)",),
}


@pytest.mark.parametrize("statements", HOSTILE.values(), ids=HOSTILE)
def test_databases_that_are_not_as_ase_makes_them_are_refused(tmp_path: Path, statements: tuple[str, ...]) -> None:
    path = make_database(tmp_path, *statements)
    with pytest.raises(FileFormatError):
        list(read_structures(path))
    with pytest.raises(FileFormatError):
        parse_structures(b64encode(path.read_bytes()).decode(), "ase-db")


@pytest.mark.parametrize(
    "content", [b"", b"no database", b"SQLite format 3\0" + b"\xff" * 4000], ids=["0", "text", "head"]
)
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.db").write_bytes(content)
    with pytest.raises(FileFormatError):
        list(read_structures(tmp_path / "a.db"))
    with pytest.raises(FileFormatError):
        parse_structures(b64encode(content).decode(), "ase-db")


def test_reading_changes_no_database(tmp_path: Path) -> None:
    path = make_database(tmp_path)
    before = path.read_bytes()
    assert len(list(read_structures(path))) == 1
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError):
        list(read_structures(tmp_path / "none.db"))


@pytest.mark.parametrize("format_", ["pymatgen", "ase-db", "sdf"])
def test_limits_hold(tmp_path: Path, format_: Any) -> None:
    atoms = STRUCTURES["molecule"]
    path = tmp_path / "two.db"
    append_to_ase_db(path, [atoms, atoms])
    one = write_structure(atoms, "pymatgen")
    texts = {
        "pymatgen": f"[{one}, {one}]",
        "ase-db": b64encode(path.read_bytes()).decode(),
        "sdf": write_sdf(atoms) * 2,
    }
    assert len(parse_structures(texts[format_], format_)) == 2
    for limits in (FileLimits(max_bytes=100), FileLimits(max_frames=1), FileLimits(max_atoms=8)):
        with pytest.raises(FileFormatError):
            parse_structures(texts[format_], format_, limits=limits)
    with pytest.raises(FileFormatError, match="longer"):
        list(read_structures(path, FileLimits(max_bytes=100)))
