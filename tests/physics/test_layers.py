"""Starts within a layer, and clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

import rm_engine
from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.files import to_json
from rm_engine.search import Starts
from rm_engine.search.separation import inverse_heights
from rm_engine.search.stages import relax_starts
from rm_engine.spec import GenerationSpec, SeedStructure
from rm_engine.spec.cell import heights

HEXAGONAL = ((4.92, 0.0, 0.0), (-2.46, 4.26, 0.0), (0.0, 0.0, 15.0))
OBLIQUE = ((5.0, 0.3, -0.2), (1.2, 6.0, 0.4), (2.0, -1.5, 12.0))
SHEET = (True, True, False)
SQUARE = ((5.6, 0.0, 0.0), (0.0, 5.6, 0.0), (0.0, 0.0, 18.0))
FLAT_SALT = 0.18
"""Pseudo energy per atom below which four atoms of this cell are a sheet of rock salt."""


@pytest.fixture(scope="module")
def mp20() -> Model:
    return load_model("mp20", device="cpu")


def test_the_two_ways_to_measure_a_cell_agree() -> None:
    np.testing.assert_allclose(heights(OBLIQUE), 1 / inverse_heights(np.array(OBLIQUE)))


@pytest.mark.parametrize(
    ("periodic", "axes"), [(SHEET, [2]), ((False, True, False), [0, 2]), ((False, True, True), [0])]
)
def test_starts_lie_in_the_layer(mp20: Model, periodic: tuple[bool, bool, bool], axes: list[int]) -> None:
    spec = GenerationSpec(
        composition="Li4S4", n=4, cell=OBLIQUE, periodic=periodic, layer=(1.0, 4.5), min_distance=1.2, model="mp20"
    )
    starts = Starts(spec, mp20.card)
    for sample in range(4):
        atoms = starts.draw(sample).atoms
        at = atoms.get_scaled_positions(wrap=False) * heights(OBLIQUE)
        assert at[:, axes].min() >= 1.0 - 1e-9
        assert at[:, axes].max() <= 4.5 + 1e-9
        assert np.ptp(at[:, axes]) > 1.0


def test_one_side_of_a_substrate(mp20: Model) -> None:
    there = Atoms("C2", [(0, 0, 6), (0, 1.42, 6)], cell=[(2.46, 0, 0), (1.23, 2.13, 0), (0, 0, 15)], pbc=SHEET)
    seed_structure = SeedStructure.from_json(to_json(there))
    spec = GenerationSpec(composition="Li", n=8, seed_structure=seed_structure, layer=(6.0, 9.0), model="mp20")
    starts = Starts(spec, mp20.card)
    assert all(starts.draw(sample).atoms.positions[-1, 2] > 6 for sample in range(8))


def test_a_sheet_of_salt_is_found_in_a_layer_and_seldom_without(mp20: Model) -> None:
    def search(layer: tuple[float, float] | None) -> list[Atoms]:
        options: dict[str, Any] = {"cell": SQUARE, "periodic": SHEET, "layer": layer}
        found = rm_engine.generate(mp20, "Na2Cl2", n=10, seed=1, **options)
        return [one.atoms for one in found if one.pseudo_energy_per_atom < FLAT_SALT]

    within, anywhere = search((8.0, 10.0)), search(None)
    assert len(within) > len(anywhere) + 3
    for atoms in within:
        assert np.ptp(atoms.positions[:, 2]) < 0.5
        first, second = neighbor_list("ij", atoms, 3.0)
        assert (atoms.numbers[first] != atoms.numbers[second]).all()
        assert set(np.bincount(first).tolist()) == {4}


def test_a_cluster_of_a_salt_is_no_failed_molecule(mp20: Model) -> None:
    """Models of crystals make clusters, which keep the first start that relaxes."""
    spec = GenerationSpec(composition="Na4Cl4", n=3, periodic=(False,) * 3, model="mp20", seed=1)
    first = rm_engine.generate_samples(mp20, spec, range(3)).structures
    starts = Starts(spec, mp20.card)
    result = relax_starts(mp20, spec, [starts.draw(sample).atoms for sample in range(3)])
    np.testing.assert_allclose([one.pseudo_energy_per_atom * 8 for one in first], result.energies, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({}, "conflicting_fields"),
        ({"periodic": (False, False, False)}, "conflicting_fields"),
        ({"cell": HEXAGONAL}, "conflicting_fields"),
        ({"cell": HEXAGONAL, "periodic": SHEET, "layer": (-1.0, 3.0)}, "out_of_range"),
        ({"cell": HEXAGONAL, "periodic": SHEET, "layer": (3.0, 2.0)}, "out_of_range"),
        ({"cell": HEXAGONAL, "periodic": SHEET, "layer": (3.0, 15.1)}, "out_of_range"),
        ({"cell": HEXAGONAL, "periodic": SHEET, "layer": (3.0, float("nan"))}, "out_of_range"),
    ],
)
def test_only_what_is_partly_periodic_has_a_layer(options: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as refused:
        GenerationSpec(**{"composition": "C8", "layer": (1.0, 2.0), **options})
    assert (refused.value.code, refused.value.field) == (code, "layer")


def test_it_is_stored() -> None:
    spec = GenerationSpec(composition="C8", cell=HEXAGONAL, periodic=SHEET, layer=(6.0, 9.0))
    assert GenerationSpec.from_json(spec.to_json()) == spec
