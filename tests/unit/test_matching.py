"""Matches: the same structure in any disguise, and no other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell, molecule
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.spatial.transform import Rotation

from rm_engine.analysis import Match, Matcher
from rm_engine.files import read_crystals

LIBRARY = Path(__file__).parents[2] / "service" / "data" / "known_crystals.json"
KNOWN = [(crystal.name, crystal.to_atoms()) for crystal in read_crystals(LIBRARY)]


@pytest.fixture(scope="module")
def matcher() -> Matcher[str]:
    return Matcher(KNOWN)


def disguise(atoms: Atoms, seed: int, displacement: float = 0.02) -> Atoms:
    """The same structure rotated, shifted, shuffled and rattled; a crystal also in another cell of twice the size."""
    rng = np.random.default_rng(seed)
    if atoms.pbc.all():
        atoms = make_supercell(atoms, [[1, 1, 0], [0, 1, 0], [1, 0, 2]])
    rotation = Rotation.random(rng=rng).as_matrix()
    positions = atoms.positions + rng.normal(scale=displacement, size=atoms.positions.shape)
    order = rng.permutation(len(atoms))
    rotated = Atoms(atoms.numbers, positions=positions @ rotation, cell=atoms.cell.array @ rotation, pbc=atoms.pbc)
    rotated.positions += rng.uniform(-5, 5, size=3)
    return rotated[order]


@pytest.mark.parametrize(
    "name", ["lithium sulphide", "diamond", "quartz, alpha", "rutile", "spinel", "calcite", "MgZn2 Laves phase"]
)
def test_a_known_crystal_is_found_in_disguise(matcher: Matcher[str], name: str) -> None:
    best = matcher.find_matches(disguise(dict(KNOWN)[name], seed=1))[0]
    assert best.key == name
    assert best.rms < 0.03


def test_lithium_sulphide_is_found_from_a_swollen_sheared_cell(matcher: Matcher[str]) -> None:
    atoms = dict(KNOWN)["lithium sulphide"].copy()
    strain = np.array([[1.05, 0.03, 0.0], [0.0, 1.02, 0.02], [0.0, 0.0, 1.04]])
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    assert [match.key for match in matcher.find_matches(disguise(atoms, seed=2, displacement=0.05))] == [
        "lithium sulphide"
    ]


def test_polymorphs_are_told_apart(matcher: Matcher[str]) -> None:
    found = {name: {match.key for match in matcher.find_matches(atoms)} for name, atoms in KNOWN}
    for name, other in [
        ("diamond", "graphite"),
        ("sphalerite", "wurtzite"),
        ("rutile", "anatase"),
        ("pyrite", "marcasite"),
    ]:
        assert name in found[name]
        assert other not in found[name]
        assert name not in found[other]


def test_binning_finds_what_a_search_without_bins_finds(matcher: Matcher[str]) -> None:
    """Every pair of a set with one formula in many forms against plain pymatgen."""
    silica = [
        (name, atoms) for name, atoms in KNOWN if set(atoms.symbols) == {"Si", "O"} or set(atoms.symbols) == {"Ti", "O"}
    ]
    candidates = [(f"{name} {seed}", disguise(atoms, seed, 0.15)) for name, atoms in silica for seed in range(2)]
    plain = StructureMatcher(stol=0.5, angle_tol=10, ltol=0.3)
    for _, atoms in candidates:
        expected = set()
        for key, reference in KNOWN:
            structures = AseAtomsAdaptor.get_structure(atoms), AseAtomsAdaptor.get_structure(reference)
            if plain.fit(*structures):
                expected.add((key, round(plain.get_rms_dist(*structures)[0], 3)))
        found = {(match.key, round(match.rms, 3)) for match in matcher.find_matches(atoms)}
        assert found == expected


def test_best_match_comes_first() -> None:
    fcc = bulk("Al")
    rattled = make_supercell(bulk("Al", cubic=True), np.eye(3))
    rattled.positions[0] += [0.6, 0, 0]
    matches = Matcher([("rattled", rattled), ("ideal", fcc), ("twin", fcc)]).find_matches(fcc)
    assert [match.key for match in matches[:2]] == ["ideal", "twin"]
    assert [match.rms for match in matches] == sorted(match.rms for match in matches)


def test_molecules_match_in_any_orientation_and_as_mirror_images() -> None:
    names = ["CH3CH2OH", "CH3OCH3", "C6H6", "H2O", "CH4"]
    matcher = Matcher([(name, molecule(name)) for name in names])
    for name in names:
        (match,) = matcher.find_matches(disguise(molecule(name), seed=3))
        assert match.key == name
        assert match.rms < 0.1
        mirrored = molecule(name)
        mirrored.positions[:, 0] *= -1
        assert matcher.find_matches(mirrored) == [Match(name, pytest.approx(0, abs=1e-12))]
    assert not matcher.find_matches(molecule("NH3"))


def test_a_stretched_molecule_and_a_lone_atom() -> None:
    water = molecule("H2O")
    stretched = water.copy()
    stretched.positions *= 1.2
    matcher = Matcher([("water", water), ("helium", Atoms("He"))])
    assert matcher.find_matches(stretched) == []
    assert matcher.find_matches(Atoms("He", positions=[[1, 2, 3]])) == [Match("helium", 0.0)]


def test_dimensions_do_not_mix() -> None:
    crystal = bulk("NaCl", "rocksalt", a=5.64)
    isolated, layer = crystal.copy(), crystal.copy()
    isolated.pbc = False
    layer.pbc = (True, True, False)
    matcher = Matcher([("crystal", crystal), ("layer", layer)])
    assert matcher.find_matches(isolated) == matcher.find_matches(layer) == []
    assert [match.key for match in matcher.find_matches(crystal)] == ["crystal"]
