"""The compiled matcher against pymatgen's, step by step: cells, distances, copies."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from numpy.typing import NDArray
from potentials import needs_compiler
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from rm_engine.analysis import primitive
from rm_engine.analysis.primitive import PrimitiveCell, find_primitive_cell, map_onto
from rm_engine.kernels.crystals import CellArray, MappingTolerances, load_crystal_kernel

KNOWN = MappingTolerances(length=0.3, site=0.5, angle=10)
COPY = MappingTolerances(length=0.1, site=0.2, angle=5)
SUPERCELLS = ([[1, 1, 0], [0, 1, 0], [0, 0, 2]], [[2, 0, 1], [0, 1, 0], [0, 0, 1]], [[1, 0, 0], [0, 3, 1], [0, 0, 1]])


def draw_population(seed: int) -> list[Atoms]:
    """Crystals of one formula: one family of related ones, copies in other cells, and random ones."""
    rng = np.random.default_rng(seed)
    fluorite = bulk("CaF2", "fluorite", a=5.46)
    family = []
    for supercell in SUPERCELLS:
        for strain, shake in ((0.0, 0.01), (0.03, 0.1), (0.08, 0.3)):
            atoms = make_supercell(fluorite, supercell)
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + rng.normal(scale=strain, size=(3, 3))), scale_atoms=True)
            atoms.positions += rng.normal(scale=shake, size=atoms.positions.shape)
            family.append(atoms[rng.permutation(len(atoms))])
    unrelated = []
    for _ in range(8):
        cell = np.diag(rng.uniform(3.0, 5.5, 3)) + rng.normal(scale=0.6, size=(3, 3))
        unrelated.append(Atoms("CaFFCaFF", scaled_positions=rng.random((6, 3)), cell=cell, pbc=True))
    return family + unrelated


def reduce_plainly(atoms: Atoms) -> Structure:
    structure = Structure(atoms.cell.array, atoms.numbers, atoms.positions, coords_are_cartesian=True)
    return structure.get_reduced_structure("niggli").get_primitive_structure()


def measure_plainly(structure: Structure, other: Structure) -> float:
    matcher: Any = StructureMatcher(ltol=0.3, stol=0.5, angle_tol=10, primitive_cell=False)
    found = matcher.get_rms_dist(structure, other)
    return np.inf if found is None else float(found[0])


@pytest.fixture(scope="module", params=[0, 1])
def population(request: pytest.FixtureRequest) -> list[Atoms]:
    return draw_population(request.param)


@needs_compiler
def test_there_is_a_kernel() -> None:
    """Without it the tests below would compare pymatgen with itself."""
    assert load_crystal_kernel() is not None


def test_primitive_cells_are_those_of_pymatgen(population: list[Atoms]) -> None:
    for atoms in population:
        expected, found = reduce_plainly(atoms), find_primitive_cell(atoms)
        assert found.shape[-1] == len(expected)
        assert found.structure.volume == pytest.approx(expected.volume)
        parameters = Lattice(found.cell).parameters
        assert parameters == pytest.approx(expected.lattice.get_niggli_reduced_lattice().parameters, rel=1e-3)
        assert measure_plainly(found.structure, expected) < 1e-6


def test_distances_are_those_of_pymatgen_in_both_directions(population: list[Atoms]) -> None:
    plain = [reduce_plainly(atoms) for atoms in population]
    cells = [find_primitive_cell(atoms) for atoms in population]
    n_matches = 0
    for i, j in permutations(range(len(population)), 2):
        if cells[i].shape != cells[j].shape:
            continue
        expected = measure_plainly(plain[i], plain[j])
        assert map_onto(cells[i], [cells[j]], KNOWN)[0] == pytest.approx(expected, abs=1e-6)
        n_matches += np.isfinite(expected)
    assert n_matches > 20


def test_copies_are_those_of_pymatgen(population: list[Atoms]) -> None:
    matcher = StructureMatcher(ltol=0.1, stol=0.2, angle_tol=5, primitive_cell=False)
    cells = [find_primitive_cell(atoms) for atoms in population]
    answers = set()
    for cell, other in permutations(cells, 2):
        if cell.shape == other.shape:
            expected = matcher.fit(cell.structure, other.structure, skip_structure_reduction=True)
            assert np.isfinite(map_onto(cell, [other], COPY, largest=True)[0]) == expected
            answers.add(expected)
    assert answers == {True, False}


def test_many_references_at_once_are_measured_like_one_by_one(population: list[Atoms]) -> None:
    cells = [find_primitive_cell(atoms) for atoms in population]
    cells = [cell for cell in cells if cell.shape == cells[-1].shape]
    assert len(cells) > 5
    together = map_onto(cells[-1], cells, KNOWN)
    np.testing.assert_array_equal(together, [map_onto(cells[-1], [cell], KNOWN)[0] for cell in cells])


def test_without_a_compiler_pymatgen_gives_the_same(population: list[Atoms], monkeypatch: pytest.MonkeyPatch) -> None:
    def measure_all() -> tuple[list[PrimitiveCell], NDArray[np.float64]]:
        cells = [find_primitive_cell(atoms) for atoms in population]
        cells = [cell for cell in cells if cell.shape == cells[-1].shape]
        return cells, map_onto(cells[-1], cells[:6], KNOWN)

    cells, expected = measure_all()
    monkeypatch.setattr(primitive, "load_crystal_kernel", lambda: None)
    plain, distances = measure_all()
    assert [cell.shape for cell in plain] == [cell.shape for cell in cells]
    np.testing.assert_allclose(distances, expected, atol=1e-6)


@needs_compiler
def test_hopelessly_flat_cells_match_nothing_and_stop_nobody() -> None:
    """pymatgen would list millions of lattice vectors."""
    needle, layer = (
        Atoms("Li", cell=np.diag(lengths), pbc=True) for lengths in ([0.01, 0.01, 40.0], [40.0, 40.0, 1e-4])
    )
    cells = [find_primitive_cell(atoms) for atoms in (bulk("Li"), needle, layer)]
    for cell in cells:
        found = map_onto(cell, cells, KNOWN)
        assert np.flatnonzero(np.isfinite(found)).tolist() in ([cells.index(cell)], [])
    assert map_onto(cells[0], cells, KNOWN)[0] < 1e-6


@needs_compiler
def test_cells_that_are_none_are_matched_with_nothing() -> None:
    """Nothing of the kind is stored; a worker must not hang on it all the same."""
    cell = find_primitive_cell(bulk("Li"))
    kernel = load_crystal_kernel()
    assert kernel is not None
    for value in (0.0, np.inf, np.nan):
        data = cell.array.data.copy()
        data[:3] = value
        broken = CellArray(data, cell.array.blocks, cell.array.origin)
        found = kernel.match(cell.array, [broken, cell.array], KNOWN)
        assert found.tolist() == pytest.approx([np.inf, 0], abs=1e-6)
        assert kernel.match(broken, [cell.array, broken], KNOWN).tolist() == [np.inf, np.inf]
        assert kernel.reduce(CellArray(data.copy(), cell.array.blocks, 0), 0.25) is None
