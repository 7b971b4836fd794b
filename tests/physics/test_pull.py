"""Relaxation towards a property: forces of the penalty, by both paths, and what they do to structures."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from potentials import needs_compiler, respond_to

from rm_engine.checkpoint import Model, estimate_band_gaps, find_head, load_model
from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import evaluate
from rm_engine.relax import LBFGSConfig, Pull, RelaxationConfig, find_penalties, relax_in_stages
from rm_engine.relax.flight import relax_in_flight
from rm_engine.relax.pull import add_pulls, find_cutoff
from rm_engine.structure import StructureBatch

CONFIG = RelaxationConfig(optimizer=LBFGSConfig(), fmax=0.01, max_steps=400)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("mp20-plus", device="cpu")


@pytest.fixture(scope="module")
def shaken() -> list[Atoms]:
    """Salts and semiconductors, away from their minima."""
    found = [bulk("NaCl", "rocksalt", a=5.6), bulk("ZnS", "zincblende", a=5.4), bulk("MgO", "rocksalt", a=4.2)]
    for seed, atoms in enumerate(found):
        strain = np.random.default_rng(seed).normal(scale=0.03, size=(3, 3))
        atoms.set_cell(atoms.cell @ (np.eye(3) + strain), scale_atoms=True)
        atoms.rattle(0.05, seed=seed)
    return found


def formation_pull(model: Model, lowest: float, highest: float, **options: float) -> Pull:
    assert model.formation is not None
    return Pull(model.formation, lowest, highest, **{"stiffness": 1.0, "reach": 0.5, **options})


def formation_energies(model: Model, structures: Sequence[Atoms]) -> torch.Tensor:
    estimates = model.estimate_formation_energies(StructureBatch.from_atoms(structures))
    assert estimates is not None
    return estimates


@pytest.mark.parametrize("reach", [0.05, 10.0])  # on the straight line, on the parabola
@pytest.mark.parametrize("wanted", [(-9.0, -8.0), (3.0, 4.0)])  # lower, higher
def test_forces_are_the_gradient_of_the_penalty(
    model: Model, shaken: list[Atoms], reach: float, wanted: tuple[float, float]
) -> None:
    potential = copy.deepcopy(model.potential).double()
    pull = replace(formation_pull(model, *wanted, reach=reach), potential=copy.deepcopy(model.formation).double())
    atoms = shaken[1]

    def respond(cell: np.ndarray, positions: np.ndarray) -> tuple[float, torch.Tensor, torch.Tensor]:
        batch = StructureBatch.from_atoms([Atoms(atoms.numbers, positions, cell=cell, pbc=True)], dtype=torch.float64)
        neighbors = build_neighbor_list(batch, find_cutoff(potential, [pull]))
        bare = evaluate(potential, batch, neighbors)
        pulled = add_pulls([pull], bare, batch, neighbors)
        assert torch.equal(pulled.energies, bare.energies)
        return float(bare.energies[0] + find_penalties([pull], batch)[0]), pulled.forces, pulled.stresses[0]

    _, forces, stress = respond(atoms.cell.array, atoms.positions)
    for row, axis in np.ndindex(atoms.positions.shape):
        step = np.zeros_like(atoms.positions)
        step[row, axis] = 1e-5
        sides = [respond(atoms.cell.array, atoms.positions + sign * step)[0] for sign in (1, -1)]
        assert float(forces[row, axis]) == pytest.approx((sides[1] - sides[0]) / 2e-5, abs=1e-5)
    for row, axis in np.ndindex(3, 3):
        sides = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[row, axis] += sign * 1e-5 / 2
            strain[axis, row] += sign * 1e-5 / 2
            sides.append(respond(atoms.cell.array @ strain, atoms.positions @ strain)[0])
        assert float(stress[row, axis]) == pytest.approx((sides[0] - sides[1]) / 2e-5 / atoms.get_volume(), abs=1e-5)


@needs_compiler
@pytest.mark.parametrize("wanted", [(-9.0, -8.0), (0.5, 1.0)])
def test_both_paths_come_to_the_same(model: Model, shaken: list[Atoms], wanted: tuple[float, float]) -> None:
    pulls = [formation_pull(model, *wanted), formation_pull(model, -20.0, 20.0)]
    batch = StructureBatch.from_atoms(shaken)
    compiled = relax_in_stages(model.potential, batch, [CONFIG], pulls=pulls)
    plain = relax_in_flight(model.potential, batch, CONFIG, pulls=pulls)
    assert compiled.converged.all()
    assert plain.converged.all()
    torch.testing.assert_close(compiled.energies, plain.energies, rtol=0, atol=2e-3)
    torch.testing.assert_close(compiled.structures.volumes, plain.structures.volumes, rtol=5e-3, atol=0)
    for row, atoms in enumerate(compiled.structures.to_atoms()):  # the energy is that of the surface alone
        bare = respond_to(copy.deepcopy(model.potential).double(), [atoms])
        assert float(compiled.energies[row]) == pytest.approx(float(bare.energies[0]), abs=1e-4)


def test_what_lies_within_is_left_alone(model: Model, shaken: list[Atoms]) -> None:
    batch = StructureBatch.from_atoms(shaken)
    free = relax_in_stages(model.potential, batch, [CONFIG])
    held = relax_in_stages(model.potential, batch, [CONFIG], pulls=[formation_pull(model, -20.0, 20.0)])
    torch.testing.assert_close(free.structures.positions, held.structures.positions, rtol=0, atol=2e-3)
    torch.testing.assert_close(free.energies, held.energies, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("wanted", "sign"), [((-9.0, -8.0), -1), ((3.0, 4.0), 1)])
def test_the_property_moves_towards_the_range(
    model: Model, shaken: list[Atoms], wanted: tuple[float, float], sign: int
) -> None:
    batch = StructureBatch.from_atoms(shaken)
    free = relax_in_stages(model.potential, batch, [CONFIG])
    before, energies = formation_energies(model, free.structures.to_atoms()), free.energies
    for stiffness in (0.05, 0.1, 0.2):  # the harder the pull, the farther, and the higher on the surface
        pulls = [formation_pull(model, *wanted, stiffness=stiffness)]
        pulled = relax_in_stages(model.potential, batch, [CONFIG], pulls=pulls)
        after = formation_energies(model, pulled.structures.to_atoms())
        assert (sign * (after - before) > 0).all()
        assert (pulled.energies > energies - 1e-4).all()
        before, energies = after, pulled.energies


def test_a_pull_of_no_strength_is_none(model: Model, shaken: list[Atoms]) -> None:
    batch = StructureBatch.from_atoms(shaken)
    assert find_penalties([], batch).tolist() == [0.0] * len(shaken)
    idle = [formation_pull(model, 3.0, 4.0, stiffness=0.0)]
    assert find_penalties(idle, batch).tolist() == [0.0] * len(shaken)


class TestBandGaps:
    def test_of_well_known_crystals(self) -> None:
        """PBE has NaCl 5.0, MgO 4.5, diamond 4.1, ZnS 2.1 and Si 0.6 eV; metals none."""
        insulators = [bulk("NaCl", "rocksalt", a=5.69), bulk("MgO", "rocksalt", a=4.26), bulk("C", "diamond", a=3.57)]
        semiconductors = [bulk("ZnS", "zincblende", a=5.45), bulk("Si", "diamond", a=5.47)]
        metals = [bulk("Cu", "fcc", a=3.62), bulk("Na", "bcc", a=4.2), bulk("Fe", "bcc", a=2.84)]
        gaps = estimate_band_gaps(StructureBatch.from_atoms([*insulators, *semiconductors, *metals]))
        assert gaps is not None
        assert (gaps[:3] > torch.tensor([3.5, 2.5, 1.5])).all()
        assert (gaps[3:5] > torch.tensor([1.0, 0.1])).all()
        assert (gaps[3:5] < torch.tensor([3.0, 1.3])).all()
        assert (gaps[5:] < 0.2).all()
        assert (gaps >= 0).all()

    def test_there_is_none_for_what_has_not_been_learned(self) -> None:
        wire = Atoms("Na2", [(0, 0, 0), (0, 0, 3)], cell=[9, 9, 6], pbc=(False, False, True))
        assert estimate_band_gaps(StructureBatch.from_atoms([bulk("Cu"), wire])) is None
        assert estimate_band_gaps(StructureBatch.from_atoms([bulk("Cu"), bulk("Po", "sc", a=3.3)])) is None

    def test_it_serves_every_model(self) -> None:
        heads = {find_head(load_model(name, device="cpu"), "band_gap") for name in ("mp20", "mp20-plus", "diamond")}
        assert len(heads) == 1
        assert find_head(load_model("mp20", device="cpu"), "formation_energy") is None
