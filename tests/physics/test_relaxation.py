"""Batched FIRE against ASE's, and structures that must not spoil or stall the others."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.filters import UnitCellFilter
from ase.optimize import FIRE
from potentials import respond_to

from rm_engine.checkpoint import Model, load_model
from rm_engine.potential import CACE
from rm_engine.relax import GuardConfig, RelaxationConfig, RelaxationResult, relax
from rm_engine.search import Starts
from rm_engine.spec import GenerationSpec
from rm_engine.structure import StructureBatch, cell_heights

FMAX = 0.01


def in_double_precision(name: str) -> Model:
    model = load_model(name, device="cpu")
    return replace(model, potential=model.potential.double())


@pytest.fixture(scope="module", params=["diamond", "mp20"])
def model(request: pytest.FixtureRequest) -> Model:
    return in_double_precision(request.param)


@pytest.fixture(scope="module")
def diamond() -> Model:
    return in_double_precision("diamond")


def starts_of(model: Model, n: int = 3, **options: object) -> list[Atoms]:
    composition = {"diamond": "C2", "mp20": "LiS"}[model.card.name]
    spec = GenerationSpec(composition=composition, formula_units=(1, 2), model=model.card.name, seed=5, **options)
    return [Starts(spec, model.card).draw(sample).atoms for sample in range(n)]


def batch_of(structures: list[Atoms]) -> StructureBatch:
    return StructureBatch.from_atoms(structures, dtype=torch.float64)


def relax_all(potential: CACE, structures: list[Atoms], **options: object) -> RelaxationResult:
    return relax(potential, batch_of(structures), RelaxationConfig(**{"fmax": FMAX, **options}))


def relax_by_ase(model: Model, start: Atoms, *, cell: str, max_steps: int) -> tuple[Atoms, FIRE]:
    atoms = start.copy()
    atoms.calc = model.get_calculator()
    fire = FIRE(UnitCellFilter(atoms) if cell == "free" else atoms, logfile=None)
    fire.run(fmax=FMAX, steps=max_steps)
    return atoms, fire


class TestAgreementWithASE:
    @pytest.mark.parametrize("cell", ["free", "fixed"])
    def test_same_steps_to_the_same_end(self, model: Model, cell: str) -> None:
        starts = starts_of(model, 2)
        result = relax_all(model.potential, starts, cell=cell, max_steps=120)
        for row, (start, ours) in enumerate(zip(starts, result.structures.to_atoms(), strict=True)):
            theirs, fire = relax_by_ase(model, start, cell=cell, max_steps=120)
            assert int(result.n_steps[row]) == fire.nsteps
            assert float(result.energies[row]) == pytest.approx(theirs.get_potential_energy(), abs=1e-8)
            np.testing.assert_allclose(ours.get_all_distances(), theirs.get_all_distances(), atol=1e-6)
            np.testing.assert_allclose(ours.get_volume(), theirs.get_volume(), rtol=1e-7)
        assert result.converged.any()
        assert len(set(result.n_steps.tolist())) > 1, "all left the batch at once"

    def test_molecules(self, diamond: Model) -> None:
        starts = starts_of(diamond, 2, periodic=(False, False, False), min_distance=1.0)
        result = relax_all(diamond.potential, starts, cell="free", max_steps=100)
        for row, (start, ours) in enumerate(zip(starts, result.structures.to_atoms(), strict=True)):
            theirs, fire = relax_by_ase(diamond, start, cell="fixed", max_steps=100)
            assert int(result.n_steps[row]) == fire.nsteps
            np.testing.assert_allclose(ours.positions, theirs.positions, atol=1e-6)

    def test_every_step_of_the_way(self, diamond: Model) -> None:
        start = starts_of(diamond)[0]
        for n_steps in (0, 1, 2, 7, 20):
            result = relax_all(diamond.potential, [start], max_steps=n_steps)
            theirs, _ = relax_by_ase(diamond, start, cell="free", max_steps=n_steps)
            (ours,) = result.structures.to_atoms()
            assert result.n_steps.tolist() == [n_steps]
            assert not result.converged.any()
            np.testing.assert_allclose(ours.cell.array, theirs.cell.array, atol=1e-11)
            np.testing.assert_allclose(ours.positions, theirs.positions, atol=1e-11)


class TestFreedom:
    def test_fixed_volume_keeps_it_and_ends_without_shear(self, model: Model) -> None:
        starts = starts_of(model)
        result = relax_all(model.potential, starts, cell="fixed_volume", fmax=1e-3, max_steps=400)
        # Forces converge in the coordinates of the reference cell, hence the factor of 2 below.
        volumes = batch_of(starts).volumes
        torch.testing.assert_close(result.structures.volumes, volumes, rtol=1e-10, atol=0)
        assert result.converged.all()
        response = respond_to(model.potential, result.structures.to_atoms())
        pressure = response.stresses.diagonal(dim1=1, dim2=2).mean(dim=1)
        shear = response.stresses - pressure[:, None, None] * torch.eye(3, dtype=torch.float64)
        sizes = result.structures.sizes[:, None, None]
        assert (shear.abs() * volumes[:, None, None] / sizes).max() < 2e-3
        assert pressure.abs().max() > 0.01, "there was nothing to keep the volume against"
        assert response.forces.norm(dim=1).max() < 2e-3
        assert not torch.allclose(result.structures.cells, batch_of(starts).cells, atol=0.01)

    def test_converged_means_small_forces_and_stress(self, model: Model) -> None:
        result = relax_all(model.potential, starts_of(model), max_steps=2000)
        assert result.converged.all()
        assert result.reasons == [None] * 3
        response = respond_to(model.potential, result.structures.to_atoms())
        torch.testing.assert_close(response.energies, result.energies)
        assert response.forces.norm(dim=1).max() < 1.5 * FMAX  # the filter's forces are those in the reference cell
        assert (response.stresses.abs() * result.structures.volumes[:, None, None]).max() < 1.5 * FMAX * 4

    def test_cells_of_slabs_never_move(self, diamond: Model) -> None:
        slab = starts_of(diamond, periodic=(True, True, False), cell=((4, 0, 0), (0, 4, 0), (0, 0, 20)))
        result = relax_all(diamond.potential, slab, cell="free", max_steps=30)
        assert torch.equal(result.structures.cells, batch_of(slab).cells)
        assert not torch.equal(result.structures.positions, batch_of(slab).positions)


class TestBatch:
    def test_equals_one_by_one(self, model: Model) -> None:
        starts = starts_of(model)
        together = relax_all(model.potential, starts, max_steps=150)
        for row, start in enumerate(starts):
            alone = relax_all(model.potential, [start], max_steps=150)
            assert together.n_steps[row] == alone.n_steps[0]
            assert together.converged[row] == alone.converged[0]
            torch.testing.assert_close(together.energies[row], alone.energies[0], rtol=1e-10, atol=1e-10)
            mine = together.structures.structure_of == row
            torch.testing.assert_close(
                together.structures.positions[mine], alone.structures.positions, rtol=0, atol=1e-8
            )

    def test_steps_are_bounded(self, diamond: Model) -> None:
        result = relax_all(diamond.potential, starts_of(diamond), fmax=1e-5, max_steps=12)
        assert result.n_steps.tolist() == [12] * 3
        assert not result.converged.any()
        assert result.reasons == [None] * 3
        assert torch.isfinite(result.energies).all()

    def test_no_structures(self, diamond: Model) -> None:
        result = relax_all(diamond.potential, [])
        assert result.reasons == []
        assert result.structures.n_structures == 0

    def test_progress_is_told_and_may_end_the_run(self, diamond: Model) -> None:
        told: list[tuple[int, int]] = []

        class Stopped(Exception):  # noqa: N818  # not an error
            pass

        def on_progress(n_done: int, n_steps: int) -> None:
            told.append((n_done, n_steps))
            if n_steps >= 20:
                raise Stopped

        config = RelaxationConfig(fmax=FMAX, progress_interval=5)
        with pytest.raises(Stopped):
            relax(diamond.potential, batch_of(starts_of(diamond)), config, on_progress)
        assert [n_steps for _, n_steps in told] == [0, 5, 10, 15, 20]

    def test_progress_counts_what_is_done(self, diamond: Model) -> None:
        told: list[int] = []
        config = RelaxationConfig(fmax=FMAX, progress_interval=1)
        starts = starts_of(diamond)
        result = relax(diamond.potential, batch_of(starts), config, lambda n_done, _: told.append(n_done))
        assert told == sorted(told)
        assert told[0] == 0
        # Told after a step was made, so those that left before it are counted.
        assert told[int(result.n_steps.min())] == 1
        assert told[-1] == len(starts)

    def test_each_structure_is_told_once_as_in_the_result(self, diamond: Model) -> None:
        starts = starts_of(diamond)
        starts.insert(1, not_a_number(starts[0]))
        told: dict[int, tuple[Atoms, float, bool, int, str | None]] = {}

        def on_done(row: int, structure: Atoms, *outcome: Any) -> None:
            assert row not in told
            told[row] = (structure, *outcome)

        result = relax(diamond.potential, batch_of(starts), RelaxationConfig(fmax=FMAX), on_done=on_done)
        assert set(told) == set(range(len(starts)))
        assert next(iter(told)) == 1, "what cannot be relaxed leaves at once"
        for row, expected in enumerate(result.structures.to_atoms()):
            structure, energy, converged, n_steps, reason = told[row]
            np.testing.assert_equal(structure.positions, expected.positions)
            np.testing.assert_equal(structure.cell.array, expected.cell.array)
            np.testing.assert_equal(energy, float(result.energies[row]))
            assert (converged, n_steps) == (bool(result.converged[row]), int(result.n_steps[row]))
            assert reason == result.reasons[row]


OBLIQUE = np.array([[1, 0, 0], [4, 1, 0], [-2, 3, 1]])


class TestSkewedCells:
    def test_reduced_on_the_way_without_changing_the_structure(self, model: Model) -> None:
        """Other vectors of the same lattice: the same path to the same crystal, in a cell that is not thin."""
        starts = starts_of(model)
        skewed = [Atoms(a.numbers, a.positions, cell=OBLIQUE @ a.cell.array, pbc=True) for a in starts]
        expected = relax_all(model.potential, starts, max_steps=100)
        result = relax_all(model.potential, skewed, max_steps=100)
        assert torch.equal(result.n_steps, expected.n_steps)
        torch.testing.assert_close(result.energies, expected.energies, rtol=0, atol=1e-8)
        torch.testing.assert_close(result.structures.positions, expected.structures.positions, rtol=0, atol=1e-6)
        change = torch.linalg.solve(expected.structures.cells, result.structures.cells, left=False)
        torch.testing.assert_close(change, change.round(), rtol=0, atol=1e-6)
        torch.testing.assert_close(
            torch.linalg.det(change), torch.ones(len(starts), dtype=torch.float64), rtol=0, atol=1e-6
        )
        thickness = cell_heights(result.structures.cells).amin(dim=1) / result.structures.volumes ** (1 / 3)
        assert (thickness > 0.45).all()
        assert (cell_heights(batch_of(skewed).cells).amin(dim=1) < 0.4 * batch_of(skewed).volumes ** (1 / 3)).all()

    def test_left_handed_cells_relax_alike(self, diamond: Model) -> None:
        start = starts_of(diamond)[0]
        mirrored = Atoms(start.numbers, start.positions, cell=start.cell.array[[1, 0, 2]], pbc=True)
        result = relax_all(diamond.potential, [start, mirrored], max_steps=150)
        assert result.n_steps[0] == result.n_steps[1]
        torch.testing.assert_close(result.energies[0], result.energies[1], rtol=0, atol=1e-8)


def fused(atoms: Atoms) -> Atoms:
    bad = atoms.copy()
    bad.positions[1] = bad.positions[0] + [0.02, 0, 0]
    return bad


def not_a_number(atoms: Atoms) -> Atoms:
    bad = atoms.copy()
    bad.positions[0, 1] = np.nan
    return bad


def no_cell_number(atoms: Atoms) -> Atoms:
    bad = atoms.copy()
    cell = bad.cell.array.copy()
    cell[2, 2] = np.nan
    bad.set_cell(cell)
    return bad


def flattened(height: float, atoms: Atoms) -> Atoms:
    bad = atoms.copy()
    bad.set_cell([[4, 0, 0], [0, 4, 0], [4, 4, height]], scale_atoms=True)
    return bad


BAD = {
    "fused": (fused, "forces blew up"),
    "nan": (not_a_number, "energy or forces are not finite"),
    "nan cell": (no_cell_number, "energy or forces are not finite"),
    "thin": (lambda atoms: flattened(0.5, atoms), "the cell became flat"),
    "almost flat": (lambda atoms: flattened(1e-9, atoms), "the cell became flat"),
    "flat": (lambda atoms: flattened(0.0, atoms), "the cell became flat"),
}


class TestGuard:
    @pytest.mark.parametrize("kind", list(BAD))
    def test_bad_starts_leave_the_others_alone(self, diamond: Model, kind: str) -> None:
        spoil, reason = BAD[kind]
        good = starts_of(diamond)
        expected = relax_all(diamond.potential, good, max_steps=15)
        result = relax_all(diamond.potential, [good[0], spoil(good[1]), *good[1:]], max_steps=15)
        assert result.reasons == [None, reason, None, None]
        assert not result.converged[1]
        assert int(result.n_steps[1]) == 0
        others = torch.tensor([True, False, True, True])
        assert torch.equal(result.n_steps[others], expected.n_steps)
        assert torch.equal(result.converged[others], expected.converged)
        kept = result.structures.select(others)
        torch.testing.assert_close(kept.positions, expected.structures.positions, rtol=0, atol=1e-10)
        torch.testing.assert_close(kept.cells, expected.structures.cells, rtol=0, atol=1e-10)

    @pytest.mark.parametrize(
        ("scale", "bounds", "reason"),
        [
            (1.15, {"smallest_volume_ratio": 0.9}, "the cell collapsed"),
            (0.85, {"largest_volume_ratio": 1.1}, "the cell flew apart"),
        ],
    )
    def test_a_volume_out_of_bounds_ends_the_relaxation(
        self, diamond: Model, scale: float, bounds: dict[str, float], reason: str
    ) -> None:
        relaxed = relax_all(diamond.potential, starts_of(diamond)[:1], max_steps=2000)
        (start,) = relaxed.structures.to_atoms()
        start.set_cell(start.cell.array * scale, scale_atoms=True)
        free = relax_all(diamond.potential, [start])
        bounded = relax_all(diamond.potential, [start], guard=GuardConfig(**bounds))
        assert free.reasons == [None]
        assert bounded.reasons == [reason]
        assert 0 < int(bounded.n_steps[0]) < int(free.n_steps[0])

    def test_a_surface_without_a_floor_ends_in_time(self, diamond: Model) -> None:
        """Upside down, the surface pulls atoms and cells into its holes; every structure leaves with a reason."""
        potential = copy.deepcopy(diamond.potential)
        potential.config = replace(potential.config, core_contact=0.0)
        with torch.no_grad():
            for parameter in (*potential.readout.linear.parameters(), *potential.readout.mlp[-1].parameters()):
                parameter.mul_(-100.0)
        result = relax_all(potential, starts_of(diamond, 4), max_steps=200)
        assert result.structures.n_structures == 4
        assert sum(reason is not None for reason in result.reasons) >= 3
