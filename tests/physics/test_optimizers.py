"""L-BFGS against FIRE and ASE's optimiser: the same minima, in fewer steps, alone or in company, compiled or not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from ase import Atoms
from ase.filters import UnitCellFilter
from ase.optimize import LBFGS
from potentials import needs_compiler, respond_to

from benchmarks.subjects import draw_starts, without_compiler
from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.relax import CellFreedom, LBFGSConfig, RelaxationConfig, RelaxationResult, relax
from rm_engine.relax.flight import relax_in_flight
from rm_engine.search import generate_samples
from rm_engine.spec import GenerationSpec, StartMix
from rm_engine.structure import StructureBatch

FMAX = 1e-3
CONFIG = RelaxationConfig(fmax=FMAX, optimizer=LBFGSConfig())


@pytest.fixture(scope="module")
def mp20() -> Model:
    return load_model("mp20", device="cpu")


@pytest.fixture(scope="module")
def double(mp20: Model) -> Model:
    return replace(load_model("mp20", device="cpu"), potential=load_model("mp20", device="cpu").potential.double())


@pytest.fixture(scope="module")
def starts(mp20: Model) -> list[Atoms]:
    return draw_starts(mp20, "LiS2", 6, formula_units=2)


def batch_of(structures: Sequence[Atoms], dtype: torch.dtype = torch.float64) -> StructureBatch:
    return StructureBatch.from_atoms(structures, dtype=dtype)


def shake(atoms: Atoms, seed: int) -> Atoms:
    shaken: Atoms = atoms.copy()
    shaken.rattle(0.05, seed=seed)
    shaken.set_cell(shaken.cell.array * 1.02, scale_atoms=True)
    return shaken


@pytest.fixture(scope="module")
def minima(double: Model, starts: list[Atoms]) -> RelaxationResult:
    result = relax(double.potential, batch_of(starts), RelaxationConfig(fmax=FMAX))
    assert result.converged.all()
    return result


class TestMinima:
    def test_those_that_fire_finds(self, double: Model, minima: RelaxationResult) -> None:
        shaken = [shake(atoms, seed) for seed, atoms in enumerate(minima.structures.to_atoms())]
        result = relax(double.potential, batch_of(shaken), CONFIG)
        by_fire = relax(double.potential, batch_of(shaken), RelaxationConfig(fmax=FMAX))
        assert result.converged.all()
        torch.testing.assert_close(result.energies, minima.energies, rtol=0, atol=2e-4)
        torch.testing.assert_close(result.structures.volumes, minima.structures.volumes, rtol=2e-3, atol=0)
        assert 2 * result.n_steps.sum() < by_fire.n_steps.sum()

    def test_those_that_ase_finds(self, double: Model, minima: RelaxationResult) -> None:
        for row, atoms in enumerate(minima.structures.to_atoms()[:3]):
            shaken = shake(atoms, row)
            result = relax(double.potential, batch_of([shaken]), CONFIG)
            shaken.calc = double.get_calculator()
            LBFGS(UnitCellFilter(shaken), logfile=None).run(fmax=FMAX, steps=1000)
            assert float(result.energies[0]) == pytest.approx(shaken.get_potential_energy(), abs=2e-4)
            assert float(result.structures.volumes[0]) == pytest.approx(shaken.get_volume(), rel=2e-3)

    def test_forces_and_stress_are_gone(self, double: Model, starts: list[Atoms]) -> None:
        result = relax(double.potential, batch_of(starts), CONFIG)
        assert result.converged.all()
        response = respond_to(double.potential, result.structures.to_atoms())
        assert response.forces.norm(dim=1).max() < 2 * FMAX
        assert (response.stresses.abs() * result.structures.volumes[:, None, None]).max() < 2 * FMAX * 6

    def test_a_parabola_takes_few_steps(self) -> None:
        """Newton's step is exact there, and each step teaches one direction."""
        state = CONFIG.optimizer.begin(batch_of([Atoms("Li", [(0.03, 0.02, -0.05)])]), torch.tensor([0]))
        stiffness = torch.tensor([[0.5, 2.0, 9.0]], dtype=torch.float64)
        free = torch.tensor([1.0, 0, 0, 0])[:, None]
        for _ in range(12):
            state = CONFIG.optimizer.step(state, -stiffness * state.coordinates * free)
        assert state.coordinates[0].abs().max() < 1e-8


class TestFreedom:
    def test_a_step_is_bounded(self, double: Model, starts: list[Atoms]) -> None:
        for n_steps in range(6):
            before, after = (
                relax(double.potential, batch_of(starts), replace(CONFIG, cell="fixed", max_steps=n))
                for n in (n_steps, n_steps + 1)
            )
            moves = after.structures.positions - before.structures.positions
            assert 0 < moves.norm(dim=1).max() <= 0.2 + 1e-9

    @pytest.mark.parametrize("cell", ["fixed", "fixed_volume"])
    def test_what_is_kept(self, double: Model, starts: list[Atoms], cell: CellFreedom) -> None:
        result = relax(double.potential, batch_of(starts), replace(CONFIG, cell=cell))
        assert result.converged.all()
        torch.testing.assert_close(result.structures.volumes, batch_of(starts).volumes, rtol=1e-10, atol=0)
        assert torch.equal(result.structures.cells, batch_of(starts).cells) == (cell == "fixed")


def test_structures_do_not_see_who_flies_with_them(double: Model, starts: list[Atoms]) -> None:
    """Taken in one after another, they leave as they do when all fly together."""
    together = relax_in_flight(double.potential, batch_of(starts), replace(CONFIG, fmax=0.01))
    alone = relax_in_flight(double.potential, batch_of(starts), replace(CONFIG, fmax=0.01, memory_budget=1))
    assert torch.equal(together.n_steps, alone.n_steps)
    torch.testing.assert_close(together.energies, alone.energies, rtol=0, atol=1e-8)


@needs_compiler
@pytest.mark.parametrize("cell", ["free", "fixed_volume", "fixed"])
def test_the_kernel_makes_the_same_steps(mp20: Model, starts: list[Atoms], cell: CellFreedom) -> None:
    config = replace(CONFIG, cell=cell, max_steps=12)
    batch = batch_of(starts, torch.float32)
    compiled, plain = relax(mp20.potential, batch, config), relax_in_flight(mp20.potential, batch, config)
    torch.testing.assert_close(compiled.structures.positions, plain.structures.positions, rtol=0, atol=2e-3)
    torch.testing.assert_close(compiled.structures.cells, plain.structures.cells, rtol=0, atol=2e-3)
    assert torch.equal(compiled.n_steps, plain.n_steps)


def test_a_search_takes_it_with_or_without_a_kernel_and_symmetry(mp20: Model) -> None:
    spec = GenerationSpec(
        composition="KZnF3", n=3, formula_units=(1,), starts=StartMix(wyckoff=1), space_groups=("cubic",), model="mp20"
    )
    by_fire = generate_samples(mp20, spec, range(3)).structures
    found = generate_samples(mp20, replace(spec, optimizer="lbfgs"), range(3)).structures
    with without_compiler():
        plain = generate_samples(mp20, replace(spec, optimizer="lbfgs"), range(3)).structures
    for fire, one, other in zip(by_fire, found, plain, strict=True):
        assert one.converged
        assert one.pseudo_energy_per_atom == pytest.approx(fire.pseudo_energy_per_atom, abs=1e-3)
        assert one.pseudo_energy_per_atom == pytest.approx(other.pseudo_energy_per_atom, abs=1e-3)
        assert one.space_group is not None
        assert one.space_group.number >= 195


def test_other_optimisers_are_refused() -> None:
    with pytest.raises(InputError) as refused:
        GenerationSpec(composition="LiS", optimizer="newton")
    assert (refused.value.code, refused.value.field) == ("invalid_value", "optimizer")
