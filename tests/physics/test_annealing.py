"""Langevin dynamics has the temperature that it is given, and searches begin with it where they are asked to."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ase import Atoms
from potentials import needs_compiler
from torch import Tensor

from benchmarks.subjects import draw_starts
from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.relax import CellFreedom, LangevinConfig, RelaxationConfig, relax
from rm_engine.relax.flight import relax_in_flight
from rm_engine.relax.noise import draw_normal, find_key, find_keys
from rm_engine.relax.state import RelaxationState
from rm_engine.search import generate_samples
from rm_engine.spec import GenerationSpec, StartMix
from rm_engine.structure import StructureBatch

STIFFNESS = torch.tensor([0.5, 1.0, 4.0], dtype=torch.float64)
WARM = 0.05


@pytest.fixture(scope="module")
def mp20() -> Model:
    return load_model("mp20", device="cpu")


def swing(config: LangevinConfig, n_steps: int, n_atoms: int = 4000) -> RelaxationState:
    """Atoms, each alone, on springs along the axes."""
    starts = [Atoms("Li", [(0.001 * k, 0.1, 0.1)]) for k in range(n_atoms)]
    state = config.begin(StructureBatch.from_atoms(starts, dtype=torch.float64), torch.arange(n_atoms))
    on_atoms = (torch.arange(len(state.coordinates)) < n_atoms)[:, None]
    state = replace(state, coordinates=torch.where(on_atoms, 0.1, state.coordinates))
    for _ in range(n_steps):
        state = config.step(state, -STIFFNESS * state.coordinates * on_atoms)
    return state


def temperatures(state: RelaxationState) -> tuple[Tensor, Tensor]:
    """Along each axis, by where the atoms are and by how fast."""
    n_atoms = state.n_structures
    by_place = STIFFNESS * state.coordinates[:n_atoms].square().mean(dim=0)
    return by_place, state.velocities[:n_atoms].square().mean(dim=0)


def test_energy_is_shared_equally_and_is_that_of_the_temperature() -> None:
    for found in temperatures(swing(LangevinConfig(1000, temperature=WARM, final_temperature=WARM), 300)):
        torch.testing.assert_close(found, torch.full((3,), WARM, dtype=torch.float64), rtol=0.08, atol=0)


def test_it_cools_down() -> None:
    config = LangevinConfig(400, temperature=WARM)
    halfway, cold = (temperatures(swing(config, n_steps))[0].mean() for n_steps in (200, 400))
    assert float(halfway) == pytest.approx(WARM / 2, rel=0.25)
    assert cold < WARM / 10


def test_cells_that_are_kept_get_no_noise() -> None:
    state = swing(LangevinConfig(10), 10, n_atoms=2)
    assert torch.equal(state.coordinates[2:], torch.eye(3, dtype=torch.float64).repeat(2, 1))


def test_noise_is_normal_and_each_its_own() -> None:
    numbers = torch.arange(1000)
    noise = draw_normal(numbers[:, None], numbers)
    assert abs(float(noise.mean())) < 0.005
    assert float(noise.std()) == pytest.approx(1, abs=0.005)
    assert float((noise**4).mean()) == pytest.approx(3, abs=0.05)
    assert torch.corrcoef(noise[:30]).fill_diagonal_(0).abs().max() < 0.2
    assert torch.corrcoef(noise.t()[:30]).fill_diagonal_(0).abs().max() < 0.2
    batch = StructureBatch.from_atoms([Atoms("LiS", [(0.1, k, 0), (1, k, 2)]) for k in range(3)])
    keys = find_keys(batch)
    assert len(set(keys.tolist())) == 3
    assert [find_key(one.positions.double().numpy()) for one in map(batch.select, torch.eye(3).bool())] == keys.tolist()


@needs_compiler
@pytest.mark.parametrize("cell", ["free", "fixed_volume", "fixed"])
def test_the_kernel_makes_the_same_steps(mp20: Model, cell: CellFreedom) -> None:
    batch = StructureBatch.from_atoms(draw_starts(mp20, "LiS2", 5, formula_units=2))
    config = RelaxationConfig(fmax=0.0, max_steps=12, cell=cell, optimizer=LangevinConfig(12))
    compiled, plain = relax(mp20.potential, batch, config), relax_in_flight(mp20.potential, batch, config)
    torch.testing.assert_close(compiled.structures.positions, plain.structures.positions, rtol=0, atol=2e-3)
    torch.testing.assert_close(compiled.structures.cells, plain.structures.cells, rtol=0, atol=2e-3)
    assert compiled.n_steps.tolist() == plain.n_steps.tolist() == [12] * 5
    assert not compiled.converged.any()
    assert (compiled.structures.positions - batch.positions).norm(dim=1).max() > 0.1


@needs_compiler
def test_a_search_goes_on_from_where_it_has_cooled_down(mp20: Model) -> None:
    spec = GenerationSpec(
        composition="Ba2Cd6", formula_units=(1,), starts=StartMix(random=1), annealing=300, model="mp20"
    )
    annealed = generate_samples(mp20, spec, range(12)).structures
    plain = generate_samples(mp20, replace(spec, annealing=0), range(12)).structures
    assert all(one.converged and one.n_steps > 300 for one in annealed)
    assert sum(one.pseudo_energy_per_atom for one in annealed) < sum(one.pseudo_energy_per_atom for one in plain)
    again = generate_samples(mp20, spec, range(5, 6)).structures[0]
    assert (again.n_steps, again.pseudo_energy_per_atom) == (annealed[5].n_steps, annealed[5].pseudo_energy_per_atom)


def test_only_starts_are_annealed(mp20: Model) -> None:
    spec = GenerationSpec(
        composition="LiS", formula_units=(2,), hops=3, annealing=1000, model="mp20", optimizer="lbfgs"
    )
    (found,) = generate_samples(mp20, spec, range(1)).structures
    assert 1000 < found.n_steps < 2000


def test_work_is_counted_and_a_space_group_would_be_lost() -> None:
    spec = GenerationSpec(composition="LiS", n=3, formula_units=(1,), max_steps=100, hops=1)
    assert replace(spec, annealing=50).atom_steps == 3 * 2 * (2 * 100 + 50)
    with pytest.raises(InputError) as refused:
        replace(spec, hops=0, annealing=1, space_groups=("auto",))
    assert (refused.value.code, refused.value.field) == ("conflicting_fields", "annealing")
