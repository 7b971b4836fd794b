"""Training with the mp20 recipe: atoms in a second of one core, what of it the data take, and memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from ase import Atoms

from benchmarks.plain import respond_plainly
from benchmarks.report import Row, show
from benchmarks.subjects import draw_mixed, load
from benchmarks.timing import Action, clock_around, cpu_seconds, resident_megabytes, take_turns, use_one_core
from rm_engine.structure import StructureBatch
from rm_engine.training import RECIPES, Trainer
from rm_engine.training.trainer import Errors


class PlainTrainer(Trainer):
    """The same steps with automatic differentiation alone: through positions and strain, and again by the weights."""

    def step(self, batch: StructureBatch) -> tuple[Errors, float]:
        """One optimiser step on fresh noise."""
        example = self.draw(batch, 0, self.n_steps)
        shaken, target = example.noisy.batch, example.target
        response = respond_plainly(self.potential, shaken, example.neighbors, differentiable=True)
        errors = Errors(
            force=(response.forces - target.forces).square().sum(),
            stress=(response.stresses - target.stresses).square().sum(),
            n_forces=3 * shaken.n_atoms,
            n_stresses=9 * shaken.n_structures,
        )
        return errors, self.descend(errors.loss(self.spec))


def run(n_structures: int = 512, n_steps: int = 10, n_rounds: int = 7, data: Path | None = None) -> Iterator[Row]:
    """Train ours and the plain one on the same batches, in turn; then ours alone, with an eye on the memory.

    Args:
        n_structures: training structures.
        n_steps: steps of a measurement, on the same batches in all of them.
        n_rounds: measurements of both.
        data: folder with the MP-20 files; without it the structures are drawn as starts are.
    """
    use_one_core()
    spec = RECIPES["mp20"].spec
    structures, source = _load(n_structures, data)
    ours, plain = (make(spec, structures, ()) for make in (Trainer, PlainTrainer))
    batches = list(islice(ours.training_set.batches(spec.batch_size, (0,)), n_steps))
    n_atoms = sum(batch.n_atoms for batch in batches)

    def steps(trainer: Trainer) -> None:
        for batch in batches:
            trainer.step(batch)

    seconds = take_turns({"ours": lambda: steps(ours), "plain": lambda: steps(plain)}, n_rounds)
    how = (
        f"mp20 recipe, float32, one core, {len(batches)} steps of {spec.batch_size} structures a run, {source}: "
        f"{show(n_atoms / len(batches))} atoms a step; noise, neighbours, loss, gradients and optimiser counted"
    )
    yield Row.of(
        (n_atoms / one for one in seconds["ours"]),
        name="training, mp20 recipe",
        goal=20_000,
        unit="atoms/s/core",
        at_least=True,
        note=how,
    )
    yield Row.of(
        (n_atoms / one for one in seconds["plain"]),
        name="training, mp20 recipe, plain autograd",
        goal=None,
        unit="atoms/s/core",
        at_least=True,
        note="the same batches in turn, with forces and stresses by `torch.autograd.grad` through positions and "
        "strain, and their gradients by a second pass through it",
    )
    yield _measure_data_share(ours, lambda: steps(ours), n_rounds)
    yield _measure_memory(lambda: steps(ours), n_rounds, len(batches))


def _measure_data_share(trainer: Trainer, steps: Action, n_rounds: int) -> Row:
    shares = []
    for _ in range(n_rounds):
        with clock_around(trainer, "draw") as inside:
            total = cpu_seconds(steps)
            shares.append(100 * inside() / total)
    return Row.of(
        shares,
        name="training, mp20 recipe: share of data preparation",
        goal=25,
        unit="%",
        at_least=False,
        note="CPU seconds in `Trainer.draw` (noise, neighbours, response to learn) of those of whole steps",
    )


def _measure_memory(steps: Action, n_rounds: int, n_steps: int) -> Row:
    before = resident_megabytes()
    for _ in range(n_rounds):
        steps()
    after = resident_megabytes()
    return Row(
        name="training, mp20 recipe: growth of memory",
        value=100 * max(0.0, after / before - 1),
        goal=2,
        unit="%",
        at_least=False,
        note=f"resident memory over {n_rounds * n_steps} more steps, from {before:.0f} to {after:.0f} MB",
    )


def _load(n_structures: int, data: Path | None) -> tuple[Sequence[Atoms], str]:
    """Structures to train on, and what they are."""
    if data is None:
        model = load("mp20")
        return draw_mixed(model, n_structures, range(1, 21)), "starts of textbook compositions"
    structures = RECIPES["mp20"].load(data).training
    picked = np.random.default_rng(0).permutation(len(structures))[:n_structures]
    return [structures[row] for row in picked], "MP-20"
