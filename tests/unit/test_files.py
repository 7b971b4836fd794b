"""Structure files: every format there and back, and the line of whatever does not parse."""

from __future__ import annotations

import csv
import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from hypothesis import given
from hypothesis import strategies as st

from rm_engine.errors import FileFormatError, InputError
from rm_engine.files import FileLimits, from_json, parse_structures, read_structures, to_json, write_structure

ROCKSALT_CIF = """\
data_halite
_cell_length_a 5.64
_cell_length_b 5.64
_cell_length_c 5.64
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
loop_
_atom_site_label
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
Na1 0 0 0
Cl1 0.5 0.5 0.5
"""
ROCKSALT_POSCAR = """\
rocksalt
1.0
0 2.82 2.82
2.82 0 2.82
2.82 2.82 0
Na Cl
1 1
Direct
0 0 0
0.5 0.5 0.5
"""
TWO_FRAMES = """\
2
Lattice="3 0 0 0 3 0 0.5 0 4" Properties=species:S:1:pos:R:3:forces:R:3 material_id=mp-1 energy=-1.5 pbc="T T T"
Cs 0 0 0 9 9 9
Cl 1.5 1.5 2 9 9 9

1
a lone atom
He 1.0 2.0 3.0
"""


@pytest.fixture
def skewed() -> Atoms:
    """A crystal without symmetry, elements mixed."""
    positions = [[0.1, 0.2, 0.3], [1.9, 0.3, 0.1], [0.4, 2.2, 1.0], [2.1, 2.0, 2.3]]
    return Atoms("LiSLiS", positions=positions, cell=[[4, 0, 0], [0.7, 4.2, 0], [-0.3, 0.5, 4.4]], pbc=True)


def assert_same_crystal(found: Atoms, expected: Atoms, tolerance: float = 1e-6) -> None:
    """Same distances and elements, whatever the orientation and the order of the atoms."""
    np.testing.assert_allclose(found.cell.cellpar(), expected.cell.cellpar(), atol=tolerance)

    def fingerprint(atoms: Atoms) -> list[tuple[int, float]]:
        distances = atoms.get_all_distances(mic=True)
        return sorted(
            (int(number), round(float(row.sum()), 4)) for number, row in zip(atoms.numbers, distances, strict=True)
        )

    assert fingerprint(found) == fingerprint(expected)


@pytest.mark.parametrize("format_", ["cif", "poscar", "extxyz", "pymatgen"])
def test_a_written_crystal_is_read_back(skewed: Atoms, format_) -> None:
    text = write_structure(skewed, format_)
    (found,) = parse_structures(text, format_)
    assert found.pbc.all()
    assert_same_crystal(found, skewed)
    assert write_structure(skewed.copy(), format_) == text


def test_a_molecule_is_read_back_from_extxyz_and_refused_elsewhere() -> None:
    ethanol = molecule("CH3CH2OH")
    (found,) = parse_structures(write_structure(ethanol, "extxyz"), "extxyz")
    assert not found.pbc.any()
    np.testing.assert_allclose(found.positions, ethanol.positions, atol=1e-7)
    for format_ in ("cif", "poscar"):
        with pytest.raises(InputError, match="no cell"):
            write_structure(ethanol, format_)


@given(
    numbers=st.lists(st.integers(1, 118), min_size=1, max_size=6),
    scale=st.floats(1.0, 50.0),
    periodic=st.tuples(st.booleans(), st.booleans(), st.booleans()),
)
def test_the_json_form_is_exact(numbers, scale, periodic) -> None:
    positions = np.linspace(0, scale, 3 * len(numbers)).reshape(-1, 3)
    atoms = Atoms(numbers, positions=positions, cell=np.diag([scale, 2 * scale, 3 * scale]), pbc=periodic)
    assert from_json(to_json(atoms)) == atoms


def test_extxyz_keeps_values_skips_columns_and_reads_plain_xyz(tmp_path: Path) -> None:
    path = tmp_path / "two.extxyz"
    path.write_text(TWO_FRAMES)
    crystal, atom = read_structures(path)
    assert (crystal.name, crystal.info) == ("mp-1", {"material_id": "mp-1", "energy": -1.5})
    np.testing.assert_array_equal(crystal.atoms.cell[2], [0.5, 0, 4])
    np.testing.assert_array_equal(crystal.atoms.positions[1], [1.5, 1.5, 2])
    assert atom.name == "two.extxyz#2"
    assert not atom.atoms.pbc.any()


def test_compressed_files_stream(tmp_path: Path) -> None:
    """The first structure comes without the rest having to be there."""
    whole = gzip.compress((TWO_FRAMES * 50_000).encode())
    path = tmp_path / "cut.extxyz.gz"
    path.write_bytes(whole[: len(whole) // 2])
    structures = read_structures(path)
    assert len(next(structures).atoms) == 2
    with pytest.raises(FileFormatError, match=r"line \d+"):
        list(structures)


def test_cif_symmetry_is_expanded_and_blocks_without_atoms_are_skipped() -> None:
    preamble = "data_global\n_journal_year 1913\n_publ_section_comment\n;\ndata_ here is only text\n;\n"
    first, second = parse_structures(preamble + ROCKSALT_CIF + ROCKSALT_CIF.replace("5.64", "6.0"), "cif")
    assert first.get_chemical_formula() == "Cl4Na4"
    assert first.cell.lengths() == pytest.approx([5.64] * 3)
    assert second.cell.lengths() == pytest.approx([6.0] * 3)


@pytest.mark.parametrize("name", ["POSCAR", "POSCAR.gz", "CONTCAR_relaxed", "halite.vasp"])
def test_poscar_by_any_usual_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    content = ROCKSALT_POSCAR.encode()
    path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    (structure,) = read_structures(path)
    assert_same_crystal(structure.atoms, bulk("NaCl", "rocksalt", a=5.64))


@pytest.mark.parametrize(
    "text",
    [
        ROCKSALT_POSCAR.replace("1.0\n", f"{-(5.64**3) / 4}\n"),
        ROCKSALT_POSCAR.replace("1.0\n", "1 1 1\n").replace("Na Cl", "Na_pv Cl/1a2b"),
        ROCKSALT_POSCAR.replace(
            "Direct\n0 0 0\n0.5 0.5 0.5", "Selective\nCartesian\n0 0 0 T T T\n2.82 2.82 2.82 F F F"
        ),
        ROCKSALT_POSCAR.replace("2.82", "1.41").replace("1.0\n", "2.0\n"),
    ],
    ids=["volume", "three scales, potentials", "selective, cartesian", "scaled"],
)
def test_poscar_variants(text: str) -> None:
    (atoms,) = parse_structures(text, "poscar")
    assert_same_crystal(atoms, bulk("NaCl", "rocksalt", a=5.64))


def test_folder_of_cifs_in_order_of_name(tmp_path: Path) -> None:
    (tmp_path / "b.cif").write_text(ROCKSALT_CIF)
    (tmp_path / "a.cif").write_text(ROCKSALT_CIF * 2)
    (tmp_path / "notes.txt").write_text("not a structure")
    assert [structure.name for structure in read_structures(tmp_path)] == ["a#1", "a#2", "b"]


def write_csv(path: Path, *cifs: str) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["", "material_id", "formation_energy_per_atom", "pretty_formula", "cif"])
        for number, cif in enumerate(cifs):
            writer.writerow([number, f"mp-{number}", -2.1, "NaCl", cif])


def test_mp20_csv(tmp_path: Path) -> None:
    path = tmp_path / "train.csv"
    write_csv(path, ROCKSALT_CIF, ROCKSALT_CIF)
    first, second = read_structures(path)
    assert (first.name, second.name) == ("mp-0", "mp-1")
    assert first.info == {"material_id": "mp-0", "formation_energy_per_atom": -2.1, "pretty_formula": "NaCl"}
    assert len(first.atoms) == 8


EXTXYZ_ERRORS = {
    "count": (TWO_FRAMES.replace("\n1\n", "\none\n"), 6, "number of atoms"),
    "no atoms": (TWO_FRAMES.replace("\n1\n", "\n0\n"), 6, "0 atoms"),
    "element": (TWO_FRAMES.replace("Cl", "Qq"), 4, "Qq"),
    "coordinate": (TWO_FRAMES.replace("2.0 3.0", "2.0 x"), 8, "three coordinates"),
    "missing coordinate": (TWO_FRAMES.replace("2.0 3.0", "2.0"), 8, "three coordinates"),
    "not finite": (TWO_FRAMES.replace("2.0 3.0", "nan 3.0"), 8, "not finite"),
    "lattice": (TWO_FRAMES.replace("0 3 0 0.5", "0 3 0.5"), 2, "comment line"),
    "flat cell": (TWO_FRAMES.replace("0.5 0 4", "3 3 0"), 2, "one plane"),
    "columns": (TWO_FRAMES.replace("pos:R", "where:R"), 2, "comment line"),
    "cut": (TWO_FRAMES.split("He", maxsplit=1)[0], 7, "ends within"),
}


@pytest.mark.parametrize(("text", "line", "reason"), EXTXYZ_ERRORS.values(), ids=EXTXYZ_ERRORS)
def test_extxyz_errors_have_the_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(FileFormatError, match=reason) as caught:
        parse_structures(text, "extxyz")
    assert caught.value.line == line


POSCAR_ERRORS = {
    "empty": ("", 1, "too early"),
    "scale": (ROCKSALT_POSCAR.replace("1.0", "one"), 2, "3 or 1 numbers"),
    "cell": (ROCKSALT_POSCAR.replace("2.82 2.82 0", "2.82 2.82"), 5, "3 numbers"),
    "flat cell": (ROCKSALT_POSCAR.replace("2.82 2.82 0", "2.82 2.82 5.64"), 5, "one plane"),
    "no symbols": (ROCKSALT_POSCAR.replace("Na Cl\n", ""), 6, "element symbols"),
    "counts": (ROCKSALT_POSCAR.replace("\n1 1\n", "\n1 1 1\n"), 7, "2 numbers"),
    "huge": (ROCKSALT_POSCAR.replace("\n1 1\n", "\n1 999999999999\n"), 7, "2000"),
    "mode": (ROCKSALT_POSCAR.replace("Direct", "Fractional"), 8, "Direct or Cartesian"),
    "cut": (ROCKSALT_POSCAR.replace("0.5 0.5 0.5\n", ""), 10, "too early"),
}


@pytest.mark.parametrize(("text", "line", "reason"), POSCAR_ERRORS.values(), ids=POSCAR_ERRORS)
def test_poscar_errors_have_the_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(FileFormatError, match=reason) as caught:
        parse_structures(text, "poscar")
    assert caught.value.line == line


CIF_ERRORS = {
    "empty": ("", None, "no data block"),
    "not CIF": ("hello world", None, "no data block"),
    "length": (ROCKSALT_CIF.replace("b 5.64", "b wide"), 3, "wide"),
    "coordinate": (ROCKSALT_CIF.replace("Cl1 0.5", "Cl1 half"), 15, "half"),
    "second block": (ROCKSALT_CIF + ROCKSALT_CIF.replace("Cl1 0.5", "Cl1 half"), 30, "half"),
    "element": (ROCKSALT_CIF.replace("Cl1", "Qq1"), None, "unknown elements"),
    "space group": (ROCKSALT_CIF.replace("F m -3 m", "Z 9"), 1, "space group"),
    "missing column": (ROCKSALT_CIF.replace("0.5 0.5 0.5", "0.5 0.5"), None, "cannot be read"),
    "no cell": (ROCKSALT_CIF.replace("_cell_length_b 5.64\n", ""), None, "cannot be read"),
}


@pytest.mark.parametrize(("text", "line", "reason"), CIF_ERRORS.values(), ids=CIF_ERRORS)
def test_cif_errors_have_the_line_where_it_is_known(text: str, line: int | None, reason: str) -> None:
    with pytest.raises(FileFormatError, match=reason) as caught:
        parse_structures(text, "cif")
    assert caught.value.line == line


def test_partly_occupied_sites_are_refused() -> None:
    text = ROCKSALT_CIF.replace("_fract_z\n", "_fract_z\n_atom_site_occupancy\n").replace("0 0 0", "0 0 0 0.5")
    with pytest.raises(FileFormatError, match="partly occupied"):
        parse_structures(text.replace("0.5 0.5 0.5", "0.5 0.5 0.5 1"), "cif")


def test_csv_errors_have_the_line_in_the_csv(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    write_csv(path, ROCKSALT_CIF, ROCKSALT_CIF.replace("Cl1 0.5", "Cl1 half"))
    with pytest.raises(FileFormatError, match="half") as caught:
        list(read_structures(path))
    assert "half" in path.read_text().splitlines()[caught.value.line - 1]
    path.write_text("material_id,structure\nmp-1,x\n")
    with pytest.raises(FileFormatError, match="no column named cif"):
        list(read_structures(path))


@pytest.mark.parametrize(
    "limits",
    [FileLimits(max_bytes=100), FileLimits(max_frames=1), FileLimits(max_atoms=1)],
    ids=["bytes", "frames", "atoms"],
)
def test_limits(tmp_path: Path, limits: FileLimits) -> None:
    path = tmp_path / "two.extxyz"
    path.write_text(TWO_FRAMES)
    with pytest.raises(FileFormatError):
        list(read_structures(path, limits))
    with pytest.raises(FileFormatError):
        parse_structures(TWO_FRAMES, "extxyz", limits=limits)


def test_a_compressed_giant_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.cif.gz"
    path.write_bytes(gzip.compress(b"x" * 50_000_000))
    with pytest.raises(FileFormatError, match="longer than 1000000 bytes"):
        list(read_structures(path, FileLimits(max_bytes=1_000_000)))


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.docx", b"x"), ("a.cif", b"\xff\xfe\xff"), ("a.cif.gz", b"not gzip")],
    ids=["kind", "bytes", "gzip"],
)
def test_other_files_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileFormatError):
        list(read_structures(tmp_path / name))


def test_importing_files_is_light() -> None:
    heavy = "{'torch', 'ase', 'pymatgen', 'numpy', 'scipy'}"
    code = f"import sys, rm_engine.files; sys.exit(' '.join({heavy} & set(sys.modules)) or None)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_json_form_and_writing_need_no_pymatgen() -> None:
    code = (
        "import sys; from rm_engine.files import from_json, write_structure as w;"
        "a = from_json({'numbers': [3], 'positions': [[0, 0, 0]], 'cell': [3, 3, 3], 'periodic': [True] * 3});"
        "[w(a, f) for f in ('cif', 'poscar', 'extxyz')]; sys.exit('pymatgen' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
