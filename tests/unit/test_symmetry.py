"""Space groups of crystals, of what is none, and of what cannot be analysed."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, make_supercell, molecule
from ase.spacegroup import crystal

from rm_engine.analysis import SpaceGroup, find_space_group


@pytest.mark.parametrize(
    ("atoms", "number", "symbol"),
    [
        (bulk("Si"), 227, "Fd-3m"),
        (bulk("NaCl", "rocksalt", a=5.64), 225, "Fm-3m"),
        (bulk("Mg"), 194, "P6_3/mmc"),
        (bulk("ZnS", "wurtzite", a=3.82, c=6.26), 186, "P6_3mc"),
        (crystal(["Bi"], [(0, 0, 0.234)], spacegroup=166, cellpar=[4.55, 4.55, 11.86, 90, 90, 120]), 166, "R-3m"),
        (
            crystal(
                ["Cu", "O"], [(0.25, 0.25, 0), (0, 0.42, 0.25)], spacegroup=15, cellpar=[4.68, 3.42, 5.13, 90, 99.5, 90]
            ),
            15,
            "C2/c",
        ),
    ],
)
def test_known_groups_also_in_rattled_supercells(atoms: Atoms, number: int, symbol: str) -> None:
    expected = SpaceGroup(number, symbol)
    assert find_space_group(atoms) == expected
    supercell = make_supercell(atoms, [[2, 1, 0], [0, 1, 0], [0, 0, 2]])
    supercell.positions += np.random.default_rng(0).normal(scale=0.01, size=supercell.positions.shape)
    assert find_space_group(supercell) == expected
    assert find_space_group(supercell, symprec=1e-4).number < number


def test_no_crystal_no_space_group() -> None:
    assert find_space_group(molecule("H2O")) is None
    assert find_space_group(fcc111("Al", (1, 1, 3), vacuum=5.0)) is None


def test_what_cannot_be_analyzed_is_p1() -> None:
    atoms = Atoms("Li2", positions=[[0, 0, 0], [0, 0, 0.001]], cell=np.eye(3) * 4, pbc=True)
    assert find_space_group(atoms) == SpaceGroup(1, "P1")
