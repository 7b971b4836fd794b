"""Structures that wait for a place in flight, the memory they take, and what happens when there is less of it."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rm_engine.checkpoint import Model, load_model
from rm_engine.neighbors.padded import build_plain_list
from rm_engine.potential import evaluation
from rm_engine.relax import GuardConfig, RelaxationConfig, RelaxationResult, flight, relax_in_stages, skin
from rm_engine.relax.flight import relax_in_flight
from rm_engine.relax.memory import CPU_BUDGET, estimate_bytes, find_budget
from rm_engine.relax.state import RelaxationState
from rm_engine.search import Starts, stages
from rm_engine.spec import GenerationSpec
from rm_engine.structure import StructureBatch
from service.domain import PUBLIC_GROUP
from service.settings import Settings
from service.store import Store
from worker.models import ModelCache

CONFIG = RelaxationConfig(fmax=0.02, max_steps=50)
REACH = 4.5 + CONFIG.skin


def in_double_precision(name: str) -> Model:
    model = load_model(name, device="cpu")
    return replace(model, potential=model.potential.double())


@pytest.fixture(scope="module")
def diamond() -> Model:
    return in_double_precision("diamond")


@pytest.fixture(scope="module")
def starts(diamond: Model) -> list[Atoms]:
    """Two to six atoms each, so that they do not fit evenly."""
    spec = GenerationSpec(composition="C2", formula_units=(1, 2, 3), model="diamond", seed=5)
    return [Starts(spec, diamond.card).draw(sample).atoms for sample in range(14)]


def batch_of(structures: list[Atoms]) -> StructureBatch:
    return StructureBatch.from_atoms(structures, dtype=torch.float64)


@pytest.fixture(scope="module")
def alone(diamond: Model, starts: list[Atoms]) -> RelaxationResult:
    """Each structure flies alone."""
    return relax_in_flight(diamond.potential, batch_of(starts), replace(CONFIG, memory_budget=1))


def assert_same(result: RelaxationResult, expected: RelaxationResult, rows: slice = slice(None)) -> None:
    assert torch.equal(result.n_steps[rows], expected.n_steps[rows])
    assert torch.equal(result.converged[rows], expected.converged[rows])
    torch.testing.assert_close(result.energies[rows], expected.energies[rows], rtol=0, atol=1e-8, equal_nan=True)
    chosen = torch.zeros(len(expected.reasons), dtype=torch.bool)
    chosen[rows] = True
    ours, theirs = result.structures.select(chosen), expected.structures.select(chosen)
    torch.testing.assert_close(ours.positions, theirs.positions, rtol=0, atol=1e-7, equal_nan=True)
    torch.testing.assert_close(ours.cells, theirs.cells, rtol=0, atol=1e-7, equal_nan=True)


@dataclass
class Observer:
    """Stands before a function of the engine: sees how many atoms it is given, and may refuse."""

    function: Callable[..., Any]
    capacity: float = float("inf")
    refuse: Callable[[], None] = lambda: None
    n_atoms: list[int] = field(default_factory=list)
    n_refused: int = 0

    def __call__(self, *arguments: Any) -> Any:
        (batch,) = (argument for argument in arguments if isinstance(argument, StructureBatch))
        if batch.n_atoms > self.capacity:
            self.n_refused += 1
            self.refuse()
        self.n_atoms.append(batch.n_atoms)
        return self.function(*arguments)


@pytest.fixture
def evaluating(monkeypatch: pytest.MonkeyPatch) -> Observer:
    observer = Observer(flight.evaluate)
    monkeypatch.setattr(flight, "evaluate", observer)
    return observer


@pytest.fixture
def building(monkeypatch: pytest.MonkeyPatch) -> Observer:
    observer = Observer(skin.build_neighbor_list)
    monkeypatch.setattr(skin, "build_neighbor_list", observer)
    return observer


def bytes_of(model: Model, structures: list[Atoms]) -> torch.Tensor:
    return estimate_bytes(batch_of(structures), model.potential.config, REACH, GuardConfig())


class TestRefill:
    def test_structures_do_not_see_who_flies_with_them(
        self, diamond: Model, starts: list[Atoms], alone: RelaxationResult
    ) -> None:
        assert len(set(alone.n_steps.tolist())) > 5
        total = int(bytes_of(diamond, starts).sum())
        for share in (1, 3):
            result = relax_in_flight(diamond.potential, batch_of(starts), replace(CONFIG, memory_budget=total // share))
            assert_same(result, alone)

    def test_the_flight_stays_full_while_anyone_waits(
        self, diamond: Model, starts: list[Atoms], alone: RelaxationResult, evaluating: Observer
    ) -> None:
        structures = [atoms for atoms in starts if len(atoms) == 4] * 4
        budget = 8 * int(bytes_of(diamond, structures).max())
        result = relax_in_flight(diamond.potential, batch_of(structures), replace(CONFIG, memory_budget=budget))
        assert max(evaluating.n_atoms) >= 8 * 4
        work = 4 * int((result.n_steps + 1).sum())
        assert sum(evaluating.n_atoms) == work, "a structure is evaluated once at each of its steps"
        until_the_last_came = work - 8 * 4 * int(result.n_steps.max())
        n_full = sum(n_atoms >= 7 * 4 for n_atoms in evaluating.n_atoms)
        assert n_full * 8 * 4 > until_the_last_came

    def test_more_structures_need_more_time_but_no_more_memory(
        self, diamond: Model, starts: list[Atoms], evaluating: Observer
    ) -> None:
        config = replace(CONFIG, memory_budget=5 * int(bytes_of(diamond, starts).max()), max_steps=6)
        most = []
        for repeats in (1, 10):
            evaluating.n_atoms.clear()
            relax_in_flight(diamond.potential, batch_of(starts * repeats), config)
            most.append(max(evaluating.n_atoms))
        assert most[1] <= most[0] * 1.3, "only by another mix of sizes"

    def test_bad_starts_take_nobodys_place(self, diamond: Model, starts: list[Atoms], alone: RelaxationResult) -> None:
        flat, lost = starts[0].copy(), starts[0].copy()
        flat.set_cell([[4, 0, 0], [0, 4, 0], [4, 4, 1e-9]], scale_atoms=True)
        lost.positions[0] = np.nan
        mixed = [flat, lost, *starts[:4], flat, *starts[4:], lost]
        budget = 3 * int(bytes_of(diamond, starts).max())
        told: list[int] = []
        result = relax_in_flight(
            diamond.potential,
            batch_of(mixed),
            replace(CONFIG, memory_budget=budget),
            on_done=lambda row, *_: told.append(row),
        )
        assert sorted(told) == list(range(len(mixed)))
        assert [row for row, reason in enumerate(result.reasons) if reason] == [0, 1, 6, len(mixed) - 1]
        assert result.n_steps[[2, 3, 4, 5, *range(7, len(mixed) - 1)]].tolist() == alone.n_steps.tolist()

    def test_those_who_hear_of_a_structure_may_end_the_run(self, diamond: Model, starts: list[Atoms]) -> None:
        class Stopped(Exception):  # noqa: N818  # not an error
            pass

        def on_done(*_: object) -> None:
            raise Stopped

        with pytest.raises(Stopped):
            relax_in_flight(diamond.potential, batch_of(starts), CONFIG, on_done=on_done)


def refuse_as_a_gpu() -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def refuse_as_python() -> None:
    raise MemoryError


def refuse_as_a_cpu() -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


def broken(atoms: Atoms) -> Atoms:
    bad = atoms.copy()
    bad.positions[0] = np.nan
    return bad


def relax_with_little_memory(
    model: Model, structures: list[Atoms], config: RelaxationConfig, ends_at: int
) -> tuple[RelaxationResult, int]:
    """The result, and how many operations it took, of which one finds no memory."""
    told: list[int] = []
    flying = flight.Flight(model.potential, batch_of(structures), config)
    memory = Memory(ends_at)
    goes_on = True
    while goes_on:
        with memory:
            goes_on = flying.advance()
        flying.outcome.tell(lambda row, *_: told.append(row))
    assert sorted(told) == list(range(len(structures)))
    return flying.outcome.result(), memory.n_calls


class TestOutOfMemory:
    @pytest.mark.parametrize("refuse", [refuse_as_a_gpu, refuse_as_python, refuse_as_a_cpu])
    def test_fewer_fly_and_no_step_is_lost(
        self,
        diamond: Model,
        starts: list[Atoms],
        alone: RelaxationResult,
        evaluating: Observer,
        refuse: Callable[[], None],
    ) -> None:
        evaluating.capacity, evaluating.refuse = 15, refuse
        result = relax_in_flight(diamond.potential, batch_of(starts), CONFIG)
        assert_same(result, alone)
        assert result.reasons == [None] * len(starts)
        assert 1 <= evaluating.n_refused <= 5
        sizes = torch.tensor([len(atoms) for atoms in starts])
        assert sum(evaluating.n_atoms) == int((sizes * (result.n_steps + 1)).sum())

    def test_on_the_way(
        self, diamond: Model, starts: list[Atoms], alone: RelaxationResult, evaluating: Observer
    ) -> None:
        """Somebody else takes the memory after some steps: what flies lands in the middle of its way."""
        evaluating.refuse = refuse_as_a_gpu

        def on_progress(_n_done: int, n_steps: int) -> None:
            evaluating.capacity = 25 if n_steps >= 10 else float("inf")

        config = replace(CONFIG, progress_interval=5)
        assert_same(relax_in_flight(diamond.potential, batch_of(starts), config, on_progress), alone)
        assert evaluating.n_refused >= 1
        assert max(evaluating.n_atoms) == sum(len(atoms) for atoms in starts)

    def test_while_neighbors_are_looked_for(
        self, diamond: Model, starts: list[Atoms], alone: RelaxationResult, building: Observer
    ) -> None:
        building.capacity, building.refuse = 15, refuse_as_a_gpu
        assert_same(relax_in_flight(diamond.potential, batch_of(starts), CONFIG), alone)
        assert building.n_refused >= 1

    def test_one_that_never_fits_is_set_aside(
        self, diamond: Model, starts: list[Atoms], alone: RelaxationResult, evaluating: Observer
    ) -> None:
        evaluating.capacity, evaluating.refuse = 20, refuse_as_a_gpu
        giant = starts[2].repeat((2, 2, 1))
        assert len(giant) > evaluating.capacity
        result = relax_in_flight(diamond.potential, batch_of([*starts[:5], giant, *starts[5:]]), CONFIG)
        reasons = [None] * len(starts)
        reasons.insert(5, "it does not fit into the memory")
        assert result.reasons == reasons
        assert not result.converged[5]
        assert torch.isnan(result.energies[5])
        assert result.n_steps[[*range(5), *range(6, len(reasons))]].tolist() == alone.n_steps.tolist()

    def test_at_any_time(self, starts: list[Atoms]) -> None:
        """Whatever finds no memory, no structure is lost, told twice or changed, save for one that flew alone."""
        model = in_double_precision("mp20")
        structures = [*starts[:2], broken(starts[0]), *starts[2:4]]
        budget = 3 * int(bytes_of(model, structures).max())
        config = replace(CONFIG, max_steps=3, memory_budget=budget)
        expected, n_operations = relax_with_little_memory(model, structures, config, ends_at=-1)
        for ends_at in range(1, n_operations, 211):
            result, _ = relax_with_little_memory(model, structures, config, ends_at)
            lost = [row for row, reason in enumerate(result.reasons) if reason != expected.reasons[row]]
            assert [result.reasons[row] for row in lost] in ([], ["it does not fit into the memory"])
            for row in set(range(len(structures))) - set(lost):
                assert_same(result, expected, slice(row, row + 1))

    def test_no_memory_at_all_ends_the_run(
        self, diamond: Model, starts: list[Atoms], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            refuse_as_a_gpu()

        monkeypatch.setattr(RelaxationState, "joined", refuse)
        with pytest.raises(torch.OutOfMemoryError):
            relax_in_flight(diamond.potential, batch_of(starts), CONFIG)

    def test_other_errors_are_not_taken_for_it(self, diamond: Model, starts: list[Atoms], evaluating: Observer) -> None:
        def refuse() -> None:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

        evaluating.capacity, evaluating.refuse = 15, refuse
        with pytest.raises(RuntimeError, match="shapes"):
            relax_in_flight(diamond.potential, batch_of(starts), CONFIG)
        assert evaluating.n_refused == 1


class TestBudget:
    def test_what_is_asked_for_counts_on_any_device(self) -> None:
        assert find_budget(12345, torch.device("cpu")) == 12345
        assert find_budget(12345, torch.device("cuda")) == 12345

    def test_what_an_operator_asks_for_reaches_every_stage(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        asked: list[int | None] = []

        def observe(*arguments: Any) -> RelaxationResult:
            asked.extend(stage.memory_budget for stage in arguments[2])
            return relax_in_stages(*arguments)

        monkeypatch.setattr(stages, "relax_in_stages", observe)
        models = ModelCache(Settings(memory_budget_bytes=2 << 20), Store(f"sqlite:///{tmp_path}/none.sqlite3"))
        model = models.load("diamond", PUBLIC_GROUP).model
        spec = GenerationSpec(composition="C", model="diamond", max_steps=5)
        stages.relax_starts(model, spec, [Starts(spec, model.card).draw(0).atoms])
        assert asked == [2 << 20] * 2

    def test_a_cpu_has_a_default(self) -> None:
        assert find_budget(None, torch.device("cpu")) == CPU_BUDGET

    def test_a_gpu_gives_most_of_what_is_free(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _device: (10_000, 90_000))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _device: 5_000)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda _device: 3_000)
        assert find_budget(None, torch.device("cuda")) == 9_600

    def test_bytes_are_counted_structure_by_structure(self, diamond: Model, starts: list[Atoms]) -> None:
        each = bytes_of(diamond, starts)
        torch.testing.assert_close(bytes_of(diamond, starts * 3), each.repeat(3))
        assert each.min() > 0

    def test_large_cells_take_memory_in_proportion(self, diamond: Model) -> None:
        cube = Atoms("C8", np.random.default_rng(0).random((8, 3)) * 12, cell=[12.0] * 3, pbc=True)
        per_atom = [int(bytes_of(diamond, [cube.repeat(n)])) / (8 * n**3) for n in (1, 2)]
        assert per_atom[1] < 8.1 * per_atom[0], "candidates for neighbours are pairs"
        assert per_atom[1] > per_atom[0] / 8.1

    @pytest.mark.parametrize("name", ["mp20", "diamond", "qm7b"])
    @pytest.mark.parametrize("length", [4.5, 9.0])
    def test_it_is_a_little_more_than_what_is_taken(
        self, name: str, length: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Of the plain path, which is the one that takes memory."""
        monkeypatch.setattr(evaluation, "compile_potential", lambda _potential: None)
        monkeypatch.setattr(skin, "build_neighbor_list", build_plain_list)
        potential = load_model(name, device="cpu").potential
        rng = np.random.default_rng(0)
        cubes = [Atoms("C8", rng.random((8, 3)) * length, cell=[length] * 3, pbc=True) for _ in range(60)]
        config = RelaxationConfig(max_steps=1, memory_budget=1 << 40, guard=GuardConfig(largest_force=1e9))
        batch = StructureBatch.from_atoms(cubes)
        with Memory() as memory:
            result = relax_in_flight(potential, batch, config)
        assert result.n_steps.tolist() == [1] * 60
        reach = potential.config.cutoff + config.skin
        estimate = int(estimate_bytes(batch, potential.config, reach, config.guard).sum())
        assert memory.most_bytes < estimate < 2.5 * memory.most_bytes


class Memory(TorchDispatchMode):
    """The bytes of all tensors that were made while it was entered and are still held.

    Attributes:
        most_bytes: the most that were held at once.
        n_calls: operations until now.
        ends_at: the number of the operation that finds no memory.
    """

    def __init__(self, ends_at: int = -1) -> None:
        super().__init__()
        self.most_bytes = self.n_calls = 0
        self.ends_at = ends_at
        self._held: dict[int, int] = {}
        self._n_bytes = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.n_calls += 1
        if self.n_calls == self.ends_at:
            refuse_as_a_gpu()
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                storage = tensor.untyped_storage()
                key = storage._cdata
                if key not in self._held:
                    self._held[key] = storage.nbytes()
                    self._n_bytes += storage.nbytes()
                    weakref.finalize(storage, self._let_go, key)
        self.most_bytes = max(self.most_bytes, self._n_bytes)
        return out

    def _let_go(self, key: int) -> None:
        self._n_bytes -= self._held.pop(key)
