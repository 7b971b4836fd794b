"""The shipped library of known crystals says what the literature says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import spglib
from ase.data import covalent_radii
from ase.geometry import cellpar_to_cell
from ase.neighborlist import neighbor_list

from rm_engine.analysis import find_space_group
from rm_engine.files import KnownCrystal, read_crystals
from rm_engine.spec import parse_formula

LIBRARY = Path(__file__).parents[2] / "service" / "data" / "known_crystals.json"
CRYSTALS = read_crystals(LIBRARY)
BY_NAME = {crystal.name: crystal for crystal in CRYSTALS}

DENSITIES = {  # g/cm3, from handbooks
    "lithium": 0.534,
    "aluminium": 2.70,
    "titanium, alpha": 4.51,
    "diamond": 3.515,
    "graphite": 2.27,
    "tin, white": 7.29,
    "sulphur, alpha": 2.07,
    "selenium, trigonal": 4.81,
    "tellurium": 6.24,
    "lithium sulphide": 1.64,
    "halite": 2.165,
    "fluorite": 3.18,
    "rutile": 4.25,
    "anatase": 3.89,
    "brookite": 4.13,
    "quartz, alpha": 2.65,
    "cristobalite, alpha": 2.33,
    "stishovite": 4.29,
    "corundum": 3.99,
    "hematite": 5.26,
    "cuprite": 6.11,
    "tenorite": 6.51,
    "baddeleyite": 5.82,
    "spinel": 3.58,
    "magnetite": 5.20,
    "triphylite": 3.60,
    "calcite": 2.71,
    "zircon": 4.66,
    "scheelite": 6.12,
    "pyrite": 5.01,
    "marcasite": 4.88,
    "chalcopyrite": 4.18,
    "cinnabar": 8.19,
    "molybdenite": 5.00,
    "brucite": 2.38,
    "litharge": 9.34,
    "bismuth telluride": 7.86,
    "lanthanum hexaboride": 4.72,
    "lithium nitride, alpha": 1.29,
    "silicon nitride, beta": 3.19,
}
NEIGHBORS = {  # element, neighbour: how many within these distances in Å
    "sulphur, alpha": ("S", "S", 2, 2.03, 2.06),
    "selenium, trigonal": ("Se", "Se", 2, 2.36, 2.38),
    "phosphorus, black": ("P", "P", 3, 2.21, 2.25),
    "lithium sulphide": ("Li", "S", 4, 2.46, 2.49),
    "quartz, alpha": ("Si", "O", 4, 1.60, 1.62),
    "cristobalite, alpha": ("Si", "O", 4, 1.60, 1.61),
    "brookite": ("Ti", "O", 6, 1.86, 2.06),
    "corundum": ("Al", "O", 6, 1.85, 1.98),
    "baddeleyite": ("Zr", "O", 7, 2.04, 2.29),
    "triphylite": ("P", "O", 4, 1.51, 1.57),
    "calcite": ("C", "O", 3, 1.27, 1.29),
    "zircon": ("Si", "O", 4, 1.61, 1.64),
    "scheelite": ("W", "O", 4, 1.77, 1.80),
    "pyrite": ("S", "S", 1, 2.14, 2.18),
    "marcasite": ("S", "S", 1, 2.19, 2.23),
    "chalcopyrite": ("S", "Cu", 2, 2.28, 2.32),
    "cinnabar": ("Hg", "S", 2, 2.36, 2.39),
    "molybdenite": ("Mo", "S", 6, 2.40, 2.43),
    "lithium cobalt oxide": ("Co", "O", 6, 1.91, 1.94),
    "silicon nitride, beta": ("Si", "N", 4, 1.69, 1.77),
    "dry ice": ("C", "O", 2, 1.14, 1.17),
    "calcium carbide": ("C", "C", 1, 1.18, 1.20),
    "skutterudite": ("Co", "As", 6, 2.32, 2.35),
    "tenorite": ("Cu", "O", 4, 1.94, 1.97),
    "litharge": ("Pb", "O", 4, 2.30, 2.32),
    "lithium hydroxide": ("O", "H", 1, 0.90, 0.95),
}


def test_names_are_unique_and_lithium_sulphide_is_among_them() -> None:
    assert len(BY_NAME) == len(CRYSTALS) >= 60
    entry = BY_NAME["lithium sulphide"]
    assert (entry.space_group, entry.formula) == (225, "Li2S")
    assert 5.705 <= entry.cell[0] <= 5.725


@pytest.mark.parametrize("crystal", CRYSTALS, ids=lambda crystal: crystal.name)
def test_entry_expands_to_what_it_states(crystal: KnownCrystal) -> None:
    atoms = crystal.to_atoms()
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    assert find_space_group(atoms, symprec=1e-3).number == crystal.space_group
    assert len(spglib.find_primitive(cell, symprec=1e-3)[2]) == len(atoms)

    formula = parse_formula(crystal.formula)
    n_units = len(atoms) // formula.n_atoms
    assert Counter(atoms.get_chemical_symbols()) == dict((formula * n_units).counts)
    n_cells = np.linalg.det(cellpar_to_cell(crystal.cell)) / atoms.cell.volume
    assert sum(site.multiplicity for site in crystal.sites) == pytest.approx(n_cells * len(atoms))

    first, second, distances = neighbor_list("ijd", atoms, 6.0)
    bond_lengths = distances / (covalent_radii[atoms.numbers[first]] + covalent_radii[atoms.numbers[second]])
    assert 0.75 < bond_lengths.min() < 1.3
    assert crystal.source
    assert crystal.prototype


@pytest.mark.parametrize("name", DENSITIES)
def test_density(name: str) -> None:
    atoms = BY_NAME[name].to_atoms()
    density = atoms.get_masses().sum() / atoms.cell.volume * 1.66054
    assert density == pytest.approx(DENSITIES[name], rel=0.01)


@pytest.mark.parametrize("name", NEIGHBORS)
def test_coordination(name: str) -> None:
    element, neighbor, count, low, high = NEIGHBORS[name]
    atoms = BY_NAME[name].to_atoms()
    first, second, distances = neighbor_list("ijd", atoms, high)
    symbols = np.array(atoms.get_chemical_symbols())
    of_pair = (symbols[first] == element) & (symbols[second] == neighbor)
    assert distances[of_pair].min() >= low
    assert set(np.bincount(first[of_pair], minlength=len(atoms))[symbols == element]) == {count}


def test_compounds_of_the_benchmark_are_not_among_them() -> None:
    benchmark = "CoSb SnPd AlAg4 SrO2 YMg3 CrSi KZnF3 Co2B BaCd3 BiF4 Cr3CuO8 BiSCl Ag3O SiC2N4 HgSO4"
    reduced = {parse_formula(crystal.formula).reduced for crystal in CRYSTALS}
    assert reduced.isdisjoint(parse_formula(formula).reduced for formula in benchmark.split())
