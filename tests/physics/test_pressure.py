"""Crystals under pressure: what is minimised is the enthalpy, by both paths, as ASE does it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from ase.filters import FrechetCellFilter, UnitCellFilter
from ase.optimize import FIRE
from potentials import needs_compiler, respond_to

from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.relax import CellFreedom, RelaxationConfig, RelaxationResult, relax
from rm_engine.relax.cellfilter import generalize
from rm_engine.relax.state import RelaxationState
from rm_engine.search import generate_samples
from rm_engine.search.moves import exchange
from rm_engine.search.walk import Relaxed, walk
from rm_engine.spec import GenerationSpec
from rm_engine.spec.limits import MAX_PRESSURE
from rm_engine.structure import StructureBatch

CUBE = ((4.0, 0.0, 0.0), (0.0, 4.0, 0.0), (0.0, 0.0, 4.0))


@pytest.fixture(scope="module")
def mp20() -> Model:
    return load_model("mp20", device="cpu")


@pytest.fixture(scope="module")
def exact(mp20: Model) -> Model:
    """The same in double precision, which only the plain path has."""
    return replace(mp20, potential=copy.deepcopy(mp20.potential).double())


@pytest.fixture(scope="module")
def strained() -> list[Atoms]:
    """Salts and a metal, sheared and shaken."""
    found = []
    for seed, atoms in enumerate((bulk("NaCl", "rocksalt", a=5.6), bulk("CsCl", "cesiumchloride", a=4.1), bulk("Cu"))):
        strain = np.random.default_rng(seed).normal(scale=0.03, size=(3, 3))
        atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
        atoms.rattle(0.05, seed=seed)
        found.append(atoms)
    return found


def relax_all(model: Model, structures: list[Atoms], **options: Any) -> RelaxationResult:
    dtype = next(model.potential.parameters()).dtype
    batch = StructureBatch.from_atoms(structures, dtype=dtype)
    return relax(model.potential, batch, RelaxationConfig(**options))


@pytest.mark.parametrize("pressure", [0.0, 0.02, 0.1])
def test_stress_balances_the_pressure(exact: Model, strained: list[Atoms], pressure: float) -> None:
    result = relax_all(exact, strained, pressure=pressure, fmax=1e-4)
    assert result.converged.all()
    response = respond_to(exact.potential, result.structures.to_atoms())
    balanced = -pressure * torch.eye(3, dtype=torch.float64).expand(3, 3, 3)
    torch.testing.assert_close(response.stresses, balanced, rtol=0, atol=3e-5)
    torch.testing.assert_close(result.energies, response.energies)  # the energy, not the enthalpy


def test_volumes_fall_as_pressures_rise(mp20: Model, strained: list[Atoms]) -> None:
    pressures = (0.0, 0.01, 0.03, 0.1, MAX_PRESSURE)
    results = [relax_all(mp20, strained, pressure=pressure) for pressure in pressures]
    volumes = torch.stack([result.structures.volumes for result in results])
    energies = torch.stack([result.energies for result in results])
    assert all(result.converged.all() for result in results)
    assert (volumes.diff(dim=0) < 0).all()
    assert (energies.diff(dim=0) > 0).all()
    # between two pressures the energy rises by the work that the one does at least, and the other at most
    work = -volumes.diff(dim=0)
    low, high = (torch.tensor(pressures)[:-1, None], torch.tensor(pressures)[1:, None])
    assert (energies.diff(dim=0) > low * work - 2e-3).all()
    assert (energies.diff(dim=0) < high * work + 2e-3).all()


@pytest.mark.parametrize("pressure", [0.05, 0.2])
def test_forces_are_the_gradient_of_the_enthalpy(exact: Model, strained: list[Atoms], pressure: float) -> None:
    start = strained[0]
    state = RelaxationState.at_rest(
        StructureBatch.from_atoms([start], dtype=torch.float64), torch.tensor([0]), time_step=0.1, mixing=0.1
    )
    rng = np.random.default_rng(1)
    deformation = np.eye(3) + 0.1 * rng.normal(size=(3, 3))
    rows = np.concatenate([start.positions, len(start) * deformation])

    def at(coordinates: np.ndarray) -> RelaxationState:
        return replace(state, coordinates=torch.as_tensor(coordinates))

    def enthalpy(coordinates: np.ndarray) -> float:
        (atoms,) = at(coordinates).structures.to_atoms()
        return float(respond_to(exact.potential, [atoms]).energies[0]) + pressure * atoms.get_volume()

    response = respond_to(exact.potential, at(rows).structures.to_atoms())
    forces = generalize(response, at(rows), RelaxationConfig(pressure=pressure)).numpy()
    for row, axis in np.ndindex(rows.shape):
        step = np.zeros_like(rows)
        step[row, axis] = 1e-5
        slope = (enthalpy(rows + step) - enthalpy(rows - step)) / 2e-5
        assert forces[row, axis] == pytest.approx(-slope, abs=1e-6)


@pytest.mark.parametrize("kind", [UnitCellFilter, FrechetCellFilter])
def test_ends_where_ase_ends(exact: Model, strained: list[Atoms], kind: type) -> None:
    result = relax_all(exact, strained, pressure=0.05, fmax=1e-4)
    for start, ours, energy in zip(strained, result.structures.to_atoms(), result.energies.tolist(), strict=True):
        theirs = start.copy()
        theirs.calc = exact.get_calculator()
        FIRE(kind(theirs, scalar_pressure=0.05), logfile=None).run(fmax=1e-4, steps=1000)
        assert energy == pytest.approx(theirs.get_potential_energy(), abs=1e-4)
        assert ours.get_volume() == pytest.approx(theirs.get_volume(), rel=1e-4)


def test_takes_the_steps_that_ase_takes(exact: Model, strained: list[Atoms]) -> None:
    result = relax_all(exact, strained, pressure=0.05, max_steps=60)
    for row, start in enumerate(strained):
        theirs = start.copy()
        theirs.calc = exact.get_calculator()
        fire = FIRE(UnitCellFilter(theirs, scalar_pressure=0.05), logfile=None)
        fire.run(fmax=0.01, steps=60)
        assert int(result.n_steps[row]) == fire.nsteps
        assert float(result.energies[row]) == pytest.approx(theirs.get_potential_energy(), abs=1e-8)


@needs_compiler
@pytest.mark.parametrize("cell", ["free", "fixed_volume", "fixed"])
def test_both_paths_agree(mp20: Model, strained: list[Atoms], cell: CellFreedom) -> None:
    plain = replace(mp20, potential=copy.deepcopy(mp20.potential))
    plain.potential.may_compile = False
    one, other = (relax_all(model, strained, pressure=0.05, cell=cell, max_steps=40) for model in (mp20, plain))
    assert one.n_steps.tolist() == other.n_steps.tolist()
    assert (one.structures.cells - other.structures.cells).abs().max() < 2e-3
    assert (one.energies - other.energies).abs().max() < 1e-3
    if cell != "free":  # there is no volume to give way
        without = relax_all(mp20, strained, cell=cell, max_steps=40)
        assert (one.structures.positions - without.structures.positions).abs().max() < 2e-3


def test_a_search_under_pressure(mp20: Model, exact: Model) -> None:
    spec = GenerationSpec(composition="NaCl", n=4, formula_units=(1,), model="mp20", seed=2, pressure=0.1)
    found = generate_samples(mp20, spec, range(4)).structures
    assert len(found) == 4
    response = respond_to(exact.potential, [structure.atoms for structure in found])
    mean = response.stresses.diagonal(dim1=1, dim2=2).mean(dim=1)
    assert torch.allclose(mean, torch.full_like(mean, -0.1), atol=2e-3)
    energies = [structure.pseudo_energy_per_atom for structure in found]
    np.testing.assert_allclose(energies, response.energies / 2, atol=1e-4)


def test_exchanges_go_by_the_enthalpy() -> None:
    wide, dense = (Atoms("LiS", [(0, 0, 0), (0, 0, 1.5)], cell=[edge] * 3, pbc=True) for edge in (4.0, 3.0))
    begun, exchanged = Relaxed(wide, -1.0, True, 5), Relaxed(dense, -0.5, True, 5)
    lowest = [
        walk([begun], [exchange], [np.random.default_rng(0)], lambda structures: [exchanged], pressure)[0].energy
        for pressure in (0.0, 0.1)
    ]
    assert lowest == [-1.0, -0.5]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"pressure": -0.01}, "out_of_range"),
        ({"pressure": 0.31}, "out_of_range"),
        ({"pressure": float("nan")}, "out_of_range"),
        ({"pressure": 0.1, "periodic": (False, False, False)}, "conflicting_fields"),
        ({"pressure": 0.1, "fixed_volume": True}, "conflicting_fields"),
        ({"pressure": 0.1, "cell": CUBE, "fixed_cell": True}, "conflicting_fields"),
        ({"pressure": 0.1, "cell": CUBE, "periodic": (True, True, False)}, "conflicting_fields"),
    ],
)
def test_only_a_free_cell_gives_way(options: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as refused:
        GenerationSpec(composition="LiS", **options)
    assert (refused.value.code, refused.value.field) == (code, "pressure")
