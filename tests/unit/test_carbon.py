"""The forms of carbon are told apart in any cell, at any volume and under noise."""

from __future__ import annotations

import gzip
import io
from collections import defaultdict
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, make_supercell
from ase.spacegroup import crystal

from rm_engine.analysis import CarbonForm, find_carbon_form, find_space_group
from rm_engine.structure import reduce_cell

BOND = 1.42


def stack_diamond(layers: str) -> Atoms:
    """Layers of diamond over one another, each named for where in the plane it begins: ``ABC`` is cubic, ``AB``
    hexagonal.
    """
    side, n = BOND * np.sqrt(8 / 3), len(layers)
    height = 4 / 3 * BOND
    places = {name: np.array([1 / 3, 2 / 3]) * k for k, name in enumerate("ABC")}
    cell = np.array([[side, 0, 0], [-side / 2, side * np.sqrt(3) / 2, 0], [0, 0, n * height]])
    positions = []
    for k, layer in enumerate(layers):
        following = layers[(k + 1) % n]
        for place, z in ((layer, k * height), (following, k * height + BOND / 3)):
            x, y, _ = np.array([*places[place], 0]) @ cell
            positions.append((x, y, z))
    return Atoms(["C"] * len(positions), positions, cell=cell, pbc=True)


def stack_graphite(layers: str, spacing: float) -> Atoms:
    """Honeycombs over one another."""
    sheet = graphene(a=BOND * np.sqrt(3))
    shift = {"A": 0.0, "B": 1.0, "C": 2.0}
    positions = [
        position + np.array([0, shift[layer] * BOND, k * spacing])
        for k, layer in enumerate(layers)
        for position in sheet.positions
    ]
    cell = sheet.cell.array.copy()
    cell[2] = (0, 0, len(layers) * spacing)
    return Atoms(["C"] * len(positions), positions, cell=cell, pbc=True)


KNOWN = {
    "cubic": (bulk("C", "diamond", a=3.57), CarbonForm.CUBIC_DIAMOND),
    "cubic, stacked": (stack_diamond("ABC"), CarbonForm.CUBIC_DIAMOND),
    "lonsdaleite": (stack_diamond("AB"), CarbonForm.HEXAGONAL_DIAMOND),
    "4H": (stack_diamond("ABCB"), CarbonForm.STACKING_FAULT),
    "6H": (stack_diamond("ABCACB"), CarbonForm.STACKING_FAULT),
    "9R": (stack_diamond("ABCBCACAB"), CarbonForm.STACKING_FAULT),
    "graphite AA": (stack_graphite("A", 3.35), CarbonForm.GRAPHITE),
    "graphite AB": (stack_graphite("AB", 3.35), CarbonForm.GRAPHITE),
    "graphite ABC": (stack_graphite("ABC", 3.35), CarbonForm.GRAPHITE),
    "graphite at the density of diamond": (stack_graphite("A", 1.95), CarbonForm.GRAPHITE),
    "silicon": (bulk("Si", "diamond", a=5.43), CarbonForm.CUBIC_DIAMOND),
    "fcc": (bulk("C", "fcc", a=3.0), CarbonForm.OTHER),
    "simple cubic": (bulk("C", "sc", a=1.7), CarbonForm.OTHER),
    "bct C4": (
        crystal("C", [(0.18, 0.18, 0)], spacegroup=139, cellpar=[4.33, 4.33, 2.48, 90, 90, 90]),
        CarbonForm.OTHER,
    ),
    "polybenzene-like net (10,3)-a": (
        crystal("C", [(0.125, 0.125, 0.125)], spacegroup=214, cellpar=[4.0, 4.0, 4.0, 90, 90, 90]),
        CarbonForm.OTHER,
    ),
    "zinc blende": (bulk("SiC", "zincblende", a=4.36), CarbonForm.OTHER),
    "a dilute gas": (Atoms("C2", [(0, 0, 0), (0, 0, 9)], cell=[20, 20, 20], pbc=True), CarbonForm.OTHER),
    "no crystal": (Atoms("C4", np.eye(4, 3)), CarbonForm.OTHER),
    "a layer": (graphene(vacuum=5.0), CarbonForm.OTHER),
}


@pytest.mark.parametrize("name", KNOWN)
def test_constructed_crystals(name: str) -> None:
    atoms, form = KNOWN[name]
    assert find_carbon_form(atoms) is form


@pytest.mark.parametrize("name", [name for name, (_, form) in KNOWN.items() if form is not CarbonForm.OTHER])
def test_neither_volume_nor_cell_nor_noise_matters(name: str) -> None:
    atoms, form = KNOWN[name]
    rng = np.random.default_rng(3)
    skewed = make_supercell(atoms, [[1, 0, 0], [1, 1, 0], [2, -1, 1]])
    skewed.set_cell(reduce_cell(skewed.cell.array))
    for scale in (0.85, 1.15):
        for cell in (atoms, atoms.repeat((2, 2, 2)), skewed):
            changed = cell.copy()
            turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
            changed.set_cell(changed.cell.array @ turn * scale, scale_atoms=True)
            changed.positions += rng.uniform(-0.05, 0.05, changed.positions.shape) * (len(atoms) > 1)
            changed.positions += rng.uniform(-9, 9, 3)
            assert find_carbon_form(changed) is form


def test_one_fault_in_many_layers_is_found() -> None:
    assert find_carbon_form(stack_diamond("ABC" * 3)) is CarbonForm.CUBIC_DIAMOND
    assert find_carbon_form(stack_diamond("ABC" * 3 + "B")) is CarbonForm.STACKING_FAULT


@pytest.mark.data
def test_forms_of_carbon_24(data_folder: Path) -> None:
    """Random search with DFT: symmetries agree with the forms, and all diamonds lie below all others."""
    with gzip.open(data_folder / "carbon_24_val_test.extxyz.gz", "rt") as stream:
        frames = ase.io.read(io.StringIO(stream.read()), ":1000", format="extxyz")
    energies, groups = defaultdict(list), defaultdict(set)
    for atoms in frames:
        form = find_carbon_form(atoms)
        energies[form].append(atoms.info["energy_per_atom"])
        if form not in {CarbonForm.OTHER, CarbonForm.GRAPHITE}:
            groups[form].add(find_space_group(atoms, 0.05).number)
    assert groups[CarbonForm.CUBIC_DIAMOND] == {227}
    assert groups[CarbonForm.HEXAGONAL_DIAMOND] == {194}
    assert groups[CarbonForm.STACKING_FAULT] <= {156, 160, 164, 166, 187, 194}
    assert max(max(energies[form]) for form in groups) < min(energies[CarbonForm.OTHER])
    assert len(energies[CarbonForm.GRAPHITE]) > 100
