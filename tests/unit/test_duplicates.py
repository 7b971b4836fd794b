"""Duplicates: samples that ended in one minimum."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell, molecule
from hypothesis import given, settings
from hypothesis import strategies as st

from rm_engine.analysis import find_duplicates
from rm_engine.analysis.comparison import Crystal
from rm_engine.errors import InputError

SUPERCELL = [[1, 1, 0], [0, 1, 0], [0, 0, 2]]


def rattle(atoms: Atoms, seed: int) -> Atoms:
    copy = atoms.copy()
    copy.rattle(0.005, seed=seed)
    return copy


SPHALERITE = bulk("ZnS", "zincblende", a=5.41)
WURTZITE = bulk("ZnS", "wurtzite", a=3.82, c=6.26)


def test_copies_point_at_the_lowest_whatever_their_cell() -> None:
    structures = [
        rattle(WURTZITE, 0),
        rattle(SPHALERITE, 1),
        make_supercell(SPHALERITE, SUPERCELL),
        rattle(make_supercell(WURTZITE, SUPERCELL), 2),
        SPHALERITE,
    ]
    assert find_duplicates(structures, [-1.0, -1.0001, -1.0002, -1.0003, -1.0]) == [3, 2, None, None, 2]


def test_of_copies_the_lowest_by_what_ranks_is_the_original() -> None:
    structures = [rattle(SPHALERITE, 1), make_supercell(SPHALERITE, SUPERCELL), SPHALERITE, rattle(WURTZITE, 0)]
    energies = [-1.0001, -1.0002, -1.0, -1.0]
    assert find_duplicates(structures, energies) == [1, None, 1, None]
    assert find_duplicates(structures, energies, [-2.0, -2.1, -2.2, -2.3]) == [2, 2, None, None]
    assert find_duplicates(structures, energies, energies) == find_duplicates(structures, energies)


def test_another_energy_composition_or_volume_is_no_copy() -> None:
    swollen = SPHALERITE.copy()
    swollen.set_cell(swollen.cell.array * 1.1, scale_atoms=True)
    cadmium = SPHALERITE.copy()
    cadmium.symbols[0] = "Cd"
    assert find_duplicates([SPHALERITE, SPHALERITE, swollen, cadmium], [-1.0, -1.1, -1.0, -1.0]) == [None] * 4


def test_a_structure_halfway_from_bcc_to_fcc_is_neither() -> None:
    """Tolerances for known structures would let it pass as both."""
    volume = 16.0
    cells = [
        Atoms("Fe", cell=np.diag([1, 1, ratio]) * (volume / ratio) ** (1 / 3), pbc=True) for ratio in (1.0, 1.2, 1.414)
    ]
    centred = [make_supercell(cell, np.eye(3)) for cell in cells]
    for atoms in centred:
        atoms.append("Fe")
        atoms.positions[1] = atoms.cell.array.sum(axis=0) / 2
    assert find_duplicates(centred, [0.0, 0.0, 0.0]) == [None] * 3


def test_molecules_and_partly_periodic_structures() -> None:
    ethanol, ether = molecule("CH3CH2OH"), molecule("CH3OCH3")
    turned = rattle(ethanol, 5)
    turned.rotate(70, (1, 2, 3))
    layer = SPHALERITE.copy()
    layer.pbc = (True, True, False)
    assert find_duplicates([ethanol, ether, turned, layer, layer], [0.0, 0.0, 0.0002, 0.0, 0.0]) == [
        None,
        None,
        0,
        None,
        None,
    ]


def test_energies_that_are_not_finite() -> None:
    assert find_duplicates([SPHALERITE] * 4, [float("nan"), 0.0, float("inf"), 0.0]) == [None, None, None, 1]
    assert find_duplicates([], []) == []
    with pytest.raises(InputError):
        find_duplicates([SPHALERITE], [])


@settings(max_examples=20)
@given(order=st.permutations(range(9)))
def test_order_of_input_does_not_matter(order: list[int]) -> None:
    minima = [SPHALERITE, WURTZITE, make_supercell(SPHALERITE, SUPERCELL)]
    structures = [rattle(minima[k % 3], k) for k in range(9)]
    energies = [-1.0 + 1e-5 * k for k in range(9)]
    originals = find_duplicates(structures, energies)
    assert originals == [None, None, 0, 0, 1, 0, 0, 1, 0]
    shuffled = find_duplicates([structures[k] for k in order], [energies[k] for k in order])
    assert [None if found is None else order[found] for found in shuffled] == [originals[k] for k in order]


def test_the_matcher_runs_only_where_neighbour_distances_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps ten thousand structures feasible: comparisons grow with the number of copies, not of pairs."""
    calls = 0
    is_copy_of = Crystal.is_copy_of

    def count(self, other) -> bool:
        nonlocal calls
        calls += 1
        return is_copy_of(self, other)

    monkeypatch.setattr(Crystal, "is_copy_of", count)
    rng = np.random.default_rng(0)
    distinct = [
        Atoms("LiSLiS", scaled_positions=rng.random((4, 3)), cell=np.diag(rng.uniform(3, 6, 3)), pbc=True)
        for _ in range(40)
    ]
    structures = distinct + [rattle(atoms, 0) for atoms in distinct[:10]]
    assert find_duplicates(structures, [0.0] * 50) == [None] * 40 + list(range(10))
    assert calls < 20
