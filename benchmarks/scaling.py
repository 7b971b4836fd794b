"""Cost against the size of the cell: structures in a second, and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from statistics import median

import numpy as np
from ase import Atoms

from benchmarks.report import Row, show
from benchmarks.subjects import draw_starts, load, without_compiler
from benchmarks.timing import peak_megabytes, take_turns, use_one_core
from rm_engine.checkpoint import Model
from rm_engine.relax import RelaxationConfig, relax
from rm_engine.structure import StructureBatch

_COMPOUND = "NaCl"
_SIZES = (2, 4, 8, 16, 32, 64, 128, 200)
_LARGE = 16
"""Atoms per cell from which on memory shows above what any process takes."""
_BUDGET = 100_000_000
"""Bytes."""
_LEAST = 1.0
"""Megabytes; less than that is not seen."""
_NEVER = 1e-9
"""An fmax that no structure reaches, so that all make the same number of steps."""


def run(
    sizes: Sequence[int] = _SIZES, n_atoms: int = 800, n_steps: int = 40, n_rounds: int = 5, n_in_memory: int = 32
) -> Iterator[Row]:
    """Make the same number of relaxation steps with cells of every size, in turn; then look at the memory.

    Args:
        sizes: atoms per cell, even numbers.
        n_atoms: about so many atoms in a batch, whatever the size of its cells.
        n_steps: relaxation steps.
        n_rounds: measurements.
        n_in_memory: structures in a batch whose memory is looked at.
    """
    use_one_core()
    model = load("mp20")
    starts = {size: _draw(model, size, max(2, n_atoms // size)) for size in sizes}

    def make_steps(size: int) -> Callable[[], object]:
        return lambda: _make_steps(model, starts[size], n_steps)

    seconds = take_turns({str(size): make_steps(size) for size in sizes}, n_rounds)
    rounds = [
        [len(starts[size]) / taken for size, taken in zip(sizes, one, strict=True)]
        for one in zip(*seconds.values(), strict=True)
    ]
    speeds = [median(column) for column in zip(*rounds, strict=True)]
    by_size = ", ".join(f"{size}: {show(speed)}" for size, speed in zip(sizes, speeds, strict=True))
    yield Row.of(
        (-_fit_exponent(sizes, speeds) for speeds in rounds),
        name=f"cost against size: structures/s fall as atoms to this power, {sizes[0]} to {sizes[-1]} atoms per cell",
        goal=1,
        unit="",
        at_least=False,
        note=f"random starts of {_COMPOUND}, {n_steps} relaxation steps in batches of about {n_atoms} atoms, one core; "
        f"structures/s by atoms per cell: {by_size}",
    )
    yield from _measure_memory(sizes, n_steps, n_in_memory)


def _measure_memory(sizes: Sequence[int], n_steps: int, n_structures: int) -> Iterator[Row]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        usual = pool.submit(_find_peaks, sizes, n_structures, n_steps).result()
        bounded = pool.submit(_find_peaks, sizes[-1:], n_structures, n_steps, _BUDGET).result()
    by_size = ", ".join(f"{size}: {show(peak)}" for size, peak in zip(sizes, usual, strict=True))
    large = [(size, max(peak, _LEAST)) for size, peak in zip(sizes, usual, strict=True) if size >= _LARGE]
    yield Row(
        name=f"memory against size: peak grows as atoms to this power, {_LARGE} to {sizes[-1]} atoms per cell",
        value=_fit_exponent(*zip(*large, strict=True)),
        goal=1,
        unit="",
        at_least=False,
        note=f"{n_structures} random starts of {_COMPOUND} relaxed for {n_steps} steps in a process of its own; MB "
        f"above what any relaxation takes by atoms per cell: {by_size}",
    )
    yield Row(
        name=f"memory of {n_structures * sizes[-1]:,} atoms with a budget of {_BUDGET / 1e6:.0f} MB",
        value=bounded[-1],
        goal=_BUDGET / 1e6,
        unit="MB",
        at_least=False,
        note="without a compiler, as on a GPU, where many structures are in flight: `RelaxationConfig.memory_budget`",
    )


def _find_peaks(sizes: Sequence[int], n_structures: int, n_steps: int, budget: int | None = None) -> list[float]:
    """Megabytes that relaxing a batch of cells of each size, from small to large, takes above those of a first one.

    Args:
        sizes: atoms per cell, ascending.
        n_structures: cells in a batch.
        n_steps: relaxation steps.
        budget: bytes for the structures in flight without a compiler; None leaves everything as usual.
    """
    use_one_core()
    model = load("mp20")
    starts = [_draw(model, size, n_structures) for size in sizes]
    peaks = []
    with nullcontext() if budget is None else without_compiler():
        _make_steps(model, _draw(model, 2, 2), n_steps, budget)  # code and buffers that any relaxation loads
        before = peak_megabytes()
        for batch in starts:
            _make_steps(model, batch, n_steps, budget)
            peaks.append(peak_megabytes() - before)
    return peaks


def _make_steps(model: Model, starts: Sequence[Atoms], n_steps: int, budget: int | None = None) -> None:
    config = RelaxationConfig(fmax=_NEVER, max_steps=n_steps, memory_budget=budget)
    relax(model.potential, StructureBatch.from_atoms(starts), config)


def _draw(model: Model, size: int, n_structures: int) -> list[Atoms]:
    return draw_starts(model, _COMPOUND, n_structures, formula_units=size // 2)


def _fit_exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The slope of the logarithms of values by those of the sizes."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
