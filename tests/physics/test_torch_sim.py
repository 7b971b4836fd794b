"""Our potential in torch-sim answers, and leads to, what it does here."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch_sim
from ase import Atoms
from ase.build import bulk
from torch_sim.models.interface import validate_model_outputs

from rm_engine import load_model
from rm_engine.adapters.torch_sim import TorchSimModel
from rm_engine.checkpoint import Model
from rm_engine.errors import InputError
from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import evaluate
from rm_engine.relax import RelaxationConfig, relax
from rm_engine.structure import StructureBatch

SALT = bulk("NaCl", "rocksalt", a=5.64)
IRON = bulk("Fe", "bcc", a=2.87, cubic=True)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("mp20", device="cpu")


def shaken(*structures: Atoms, seed: int = 0) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    found = []
    for atoms in structures:
        moved = atoms.copy()
        moved.set_cell(moved.cell.array @ (np.eye(3) + 0.1 * (rng.random((3, 3)) - 0.5)), scale_atoms=True)
        moved.positions += 0.2 * (rng.random((len(atoms), 3)) - 0.5)
        found.append(moved)
    return found


def to_state(structures: list[Atoms]) -> torch_sim.SimState:
    return torch_sim.initialize_state(structures, torch.device("cpu"), torch.float32)


def assert_answers_as_evaluate(adapter: TorchSimModel, model: Model, structures: list[Atoms]) -> None:
    batch = StructureBatch.from_atoms(structures)
    expected = evaluate(model.potential, batch, build_neighbor_list(batch, model.potential.config.cutoff))
    answer = adapter(to_state(structures))
    torch.testing.assert_close(answer["energy"], expected.energies, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(answer["forces"], expected.forces, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(answer["stress"], expected.stresses, atol=1e-5, rtol=1e-4)


def test_keeps_the_contract_of_a_model(model: Model) -> None:
    validate_model_outputs(TorchSimModel(model), torch.device("cpu"), torch.float32)


def test_answers_what_the_potential_answers(model: Model) -> None:
    adapter = TorchSimModel(model)
    assert_answers_as_evaluate(adapter, model, shaken(SALT, IRON))
    for seed in (1, 2):  # the same atoms elsewhere
        assert_answers_as_evaluate(adapter, model, shaken(SALT * 2, IRON, seed=seed))
    assert_answers_as_evaluate(adapter, model, shaken(IRON, SALT))


def test_sees_atoms_that_moved_in_place(model: Model) -> None:
    adapter = TorchSimModel(model)
    near, far = shaken(SALT, seed=3)[0], shaken(SALT, seed=3)[0]
    far.positions[1] += 1.5
    state = to_state([near])
    adapter(state)
    state.positions[:] = torch.as_tensor(far.positions, dtype=torch.float32)
    torch.testing.assert_close(adapter(state), TorchSimModel(model)(to_state([far])), atol=1e-5, rtol=1e-4)


def test_fire_of_torch_sim_ends_in_the_same_minimum(model: Model) -> None:
    starts = shaken(SALT, IRON, SALT, seed=4)
    ended = torch_sim.optimize(
        starts,
        TorchSimModel(model),
        optimizer=torch_sim.unit_cell_fire,
        convergence_fn=torch_sim.generate_force_convergence_fn(force_tol=1e-3),
        max_steps=2000,
    )
    ours = relax(model.potential, StructureBatch.from_atoms(starts), RelaxationConfig(fmax=1e-3))
    assert ours.converged.all()
    torch.testing.assert_close(ended.energy, ours.energies, atol=1e-4, rtol=1e-4)
    volumes = torch.linalg.det(ended.cell)
    torch.testing.assert_close(volumes, ours.structures.volumes, atol=0, rtol=1e-2)


def test_refuses_elements_that_the_model_does_not_know() -> None:
    with pytest.raises(InputError, match="no such element"):
        TorchSimModel(load_model("diamond", device="cpu"))(to_state([SALT]))
