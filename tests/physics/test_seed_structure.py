"""Atoms added to a structure that stays where it is."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, fcc111
from ase.constraints import FixAtoms
from ase.geometry import find_mic, get_distances
from ase.optimize import FIRE
from potentials import needs_compiler, respond_to

import rm_engine
from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.files import to_json
from rm_engine.relax import RelaxationConfig, RelaxationResult, relax
from rm_engine.search import Starts
from rm_engine.search.separation import least_distances
from rm_engine.spec import GenerationSpec, SeedStructure
from rm_engine.structure import StructureBatch

CUBE = ((4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0))


def copper() -> Atoms:
    """Two layers, wrapped into a cell with 12 Å of vacuum."""
    slab = fcc111("Cu", (2, 2, 2), vacuum=6.0, periodic=True)
    slab.pbc = (True, True, False)
    slab.wrap()
    return slab


def spec_of(atoms: Atoms, **options: Any) -> GenerationSpec:
    seed_structure = SeedStructure.from_json(to_json(atoms))
    return GenerationSpec(
        **{"composition": "O2", "n": 4, "model": "mp20", "seed": 1, **options}, seed_structure=seed_structure
    )


@pytest.fixture(scope="module")
def mp20() -> Model:
    return load_model("mp20", device="cpu")


@pytest.fixture(scope="module")
def exact(mp20: Model) -> Model:
    """The same in double precision, which only the plain path has."""
    return replace(mp20, potential=copy.deepcopy(mp20.potential).double())


def relax_all(model: Model, structures: list[Atoms], **options: Any) -> RelaxationResult:
    dtype = next(model.potential.parameters()).dtype
    batch = StructureBatch.from_atoms(structures, dtype=dtype)
    return relax(model.potential, batch, RelaxationConfig(**{"cell": "fixed", "n_frozen": 8, **options}))


def starts_of(model: Model, n: int = 4) -> list[Atoms]:
    starts = Starts(spec_of(copper()), model.card)
    return [starts.draw(sample).atoms for sample in range(n)]


def test_added_atoms_have_room_and_touch(mp20: Model) -> None:
    slab = copper()
    for atoms in starts_of(mp20, 8):
        assert atoms.get_chemical_formula() == "Cu8O2"
        np.testing.assert_allclose(atoms.positions[:8], slab.positions, atol=1e-9)
        least = least_distances(atoms.numbers)
        for added in (8, 9):
            _, distances = get_distances(atoms.positions[added], atoms.positions[:added], atoms.cell, atoms.pbc)
            assert (distances[0] > 0.5 * least[added, :added]).all()  # 60 tries may have shrunk them
            assert (distances[0] <= 2 * least[added, :added]).any()


@pytest.mark.parametrize("kind", ["exact", pytest.param("mp20", marks=needs_compiler)])
def test_frozen_atoms_stay_and_the_others_come_to_rest(request: pytest.FixtureRequest, kind: str) -> None:
    model = request.getfixturevalue(kind)
    starts = starts_of(model)
    smaller = starts[0][[*range(8)]]  # nothing but what is frozen
    result = relax_all(model, [*starts, smaller])
    assert result.converged.all()
    assert int(result.n_steps[-1]) == 0
    assert (result.n_steps[:-1] > 0).all()
    before = StructureBatch.from_atoms([*starts, smaller], dtype=result.structures.positions.dtype)
    frozen = before.place_of < 8
    assert torch.equal(result.structures.positions[frozen], before.positions[frozen])
    assert torch.equal(result.structures.cells, before.cells)
    exact_model = request.getfixturevalue("exact")
    forces = respond_to(exact_model.potential, result.structures.to_atoms()).forces.norm(dim=1)
    assert forces[~frozen].max() < 0.011
    assert forces[frozen].max() > 0.05, "there was nothing to hold still"


@needs_compiler
def test_both_paths_agree(mp20: Model) -> None:
    plain = replace(mp20, potential=copy.deepcopy(mp20.potential))
    plain.potential.may_compile = False
    starts = starts_of(mp20)
    one, other = (relax_all(model, starts, max_steps=20) for model in (mp20, plain))
    assert one.n_steps.tolist() == other.n_steps.tolist()
    assert (one.structures.positions - other.structures.positions).abs().max() < 2e-3
    assert (one.energies - other.energies).abs().max() < 2e-3


def test_takes_the_steps_that_ase_takes(exact: Model) -> None:
    starts = starts_of(exact)
    result = relax_all(exact, starts, max_steps=40)
    for row, (start, ours) in enumerate(zip(starts, result.structures.to_atoms(), strict=True)):
        theirs = start.copy()
        theirs.calc = exact.get_calculator()
        theirs.set_constraint(FixAtoms(range(8)))
        fire = FIRE(theirs, logfile=None)
        fire.run(fmax=0.01, steps=40)
        assert int(result.n_steps[row]) == fire.nsteps
        np.testing.assert_allclose(ours.positions, theirs.positions, atol=1e-6)


def test_frozen_atoms_go_with_a_free_cell(exact: Model) -> None:
    """They keep their places in it: fractional coordinates."""
    start = bulk("CsCl", "cesiumchloride", a=4.3) * (2, 1, 1)
    start.rattle(0.1, seed=1)
    (ours,) = relax_all(exact, [start], cell="free", n_frozen=3).structures.to_atoms()
    moves = np.abs(ours.get_scaled_positions() - start.get_scaled_positions()).max(axis=1)
    assert moves[:3].max() < 1e-9 < 1e-3 < moves[3]
    assert not np.allclose(ours.cell.array, start.cell.array, atol=1e-2)


def test_a_search_on_a_surface(mp20: Model) -> None:
    slab = copper()
    held = rm_engine.generate(mp20, "O", n=4, seed=1, seed_structure=slab)
    freed = rm_engine.generate(mp20, "O", n=4, seed=1, seed_structure=slab, relax_seed=True)
    for found in held:
        assert found.atoms.get_chemical_formula() == "Cu8O"
        np.testing.assert_allclose(found.atoms.cell.array, slab.cell.array, atol=1e-5)
        moved, _ = find_mic(found.atoms.positions[:8] - slab.positions, slab.cell, slab.pbc)
        assert np.abs(moved).max() < 1e-5
        assert (found.start, found.space_group) == ("random", None)
    assert held[0].n_steps > 0
    assert freed[0].pseudo_energy_per_atom < held[0].pseudo_energy_per_atom
    assert np.abs(freed[0].atoms.positions[:8] - slab.positions).max() > 0.01


@pytest.mark.parametrize("periodic", [True, False])
def test_frameworks_and_nuclei(mp20: Model, periodic: bool) -> None:
    there = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    there.pbc = periodic
    spec = spec_of(there, composition="Li", n=2)
    (found, *_others) = rm_engine.generate_samples(mp20, spec, range(2)).structures
    moves = found.atoms.positions[:8] - there.positions
    moves = find_mic(moves, there.cell, there.pbc)[0] if periodic else moves
    assert np.abs(moves).max() < 1e-5
    assert found.atoms.get_chemical_formula() == "Cl4LiNa4"
    assert spec.is_crystal == periodic


def test_it_is_stored_and_counted() -> None:
    spec = spec_of(copper())
    assert GenerationSpec.from_json(spec.to_json()) == spec
    assert (spec.parts[0].formula.reduced, spec.chemsys, spec.n_frozen) == ("Cu4O", "Cu-O", 8)
    assert spec.atom_steps == 10 * spec.n * spec.max_steps
    assert replace(spec, relax_seed=True).n_frozen == 0


@pytest.mark.parametrize(
    ("options", "code", "field"),
    [
        ({"composition": "Cu-O"}, "conflicting_fields", "composition"),
        ({"composition": "O193"}, "too_many_atoms", "seed_structure"),
        ({"composition": "LiNaKRbCsFClBr"}, "too_many_elements", "seed_structure"),
        ({"cell": CUBE}, "conflicting_fields", "cell"),
        ({"periodic": (False, True, True)}, "conflicting_fields", "seed_structure"),
        ({"formula_units": (1, 2)}, "conflicting_fields", "formula_units"),
        ({"swaps": 1}, "conflicting_fields", "swaps"),
        ({"pressure": 0.1}, "conflicting_fields", "pressure"),
        ({"density": 1.0}, "conflicting_fields", "density"),
        ({"space_groups": ("auto",)}, "conflicting_fields", "space_groups"),
    ],
)
def test_what_cannot_go_together_is_refused(options: dict[str, Any], code: str, field: str) -> None:
    with pytest.raises(InputError) as refused:
        spec_of(copper(), **options)
    assert (refused.value.code, refused.value.field) == (code, field)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"numbers": ()}, "out_of_range"),
        ({"numbers": (0,)}, "out_of_range"),
        ({"numbers": (119,)}, "out_of_range"),
        ({"numbers": (1,) * 200}, "out_of_range"),
        ({"positions": ()}, "conflicting_fields"),
        ({"positions": ((0.0, 0.0, float("nan")),)}, "out_of_range"),
    ],
)
def test_what_is_no_structure_is_refused(change: dict[str, Any], code: str) -> None:
    given = {"numbers": (3,), "positions": ((0.0, 0.0, 0.0),), "cell": CUBE, "periodic": (True, True, True)}
    with pytest.raises(InputError) as refused:
        SeedStructure(**{**given, **change})
    assert (refused.value.code, refused.value.field) == (code, "seed_structure")
