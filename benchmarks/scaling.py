"""Cost against the size of the cell: structures in a second, and memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

import numpy as np
from ase import Atoms

from benchmarks.report import Row, show
from benchmarks.structures import draw_starts
from benchmarks.timing import peak_megabytes, take_turns, use_one_core
from rm_engine import load_model
from rm_engine.checkpoint import Model
from rm_engine.relax import RelaxationConfig, relax
from rm_engine.structure import StructureBatch

_COMPOUND = "NaCl"
_SIZES = (2, 4, 8, 16, 32, 64, 128, 200)
_LARGE = 16
"""Atoms per cell from which on memory shows above what any process takes."""
_LEAST = 1.0
"""Megabytes; less than that is not seen."""
_NEVER = 1e-9
"""An fmax that no structure reaches, so that all make the same number of steps."""


def run(
    sizes: Sequence[int] = _SIZES, n_atoms: int = 800, n_steps: int = 40, n_rounds: int = 5, n_in_memory: int = 32
) -> Iterator[Row]:
    """Make the same number of relaxation steps with cells of every size, in turn; then each in a process of its own.

    Args:
        sizes: atoms per cell, even numbers.
        n_atoms: about so many atoms in a batch, whatever the size of its cells.
        n_steps: relaxation steps.
        n_rounds: measurements.
        n_in_memory: structures in a batch whose memory is looked at.
    """
    use_one_core()
    model = load_model("mp20", device="cpu")
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
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        peaks = pool.submit(_find_peaks, sizes, n_structures, n_steps).result()
    by_size = ", ".join(f"{size}: {show(peak)}" for size, peak in zip(sizes, peaks, strict=True))
    large = [(size, max(peak, _LEAST)) for size, peak in zip(sizes, peaks, strict=True) if size >= _LARGE]
    yield Row(
        name=f"memory against size: peak grows as atoms to this power, {_LARGE} to {sizes[-1]} atoms per cell",
        value=_fit_exponent(*zip(*large, strict=True)),
        goal=1,
        unit="",
        at_least=False,
        note=f"{n_structures} random starts of {_COMPOUND} relaxed for {n_steps} steps in a process of its own; MB "
        f"above what any relaxation takes by atoms per cell: {by_size}",
    )


def _find_peaks(sizes: Sequence[int], n_structures: int, n_steps: int) -> list[float]:
    """Megabytes that relaxing a batch of cells of each size, from small to large, takes above those of a first one."""
    use_one_core()
    model = load_model("mp20", device="cpu")
    starts = [_draw(model, size, n_structures) for size in sizes]
    _make_steps(model, starts[0][:2], n_steps)  # code and buffers that any relaxation loads
    before, peaks = peak_megabytes(), []
    for batch in starts:
        _make_steps(model, batch, n_steps)
        peaks.append(peak_megabytes() - before)
    return peaks


def _make_steps(model: Model, starts: Sequence[Atoms], n_steps: int) -> None:
    relax(model.potential, StructureBatch.from_atoms(starts), RelaxationConfig(fmax=_NEVER, max_steps=n_steps))


def _draw(model: Model, size: int, n_structures: int) -> list[Atoms]:
    return draw_starts(model, _COMPOUND, n_structures, formula_units=size // 2)


def _fit_exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The slope of the logarithms of values by those of the sizes."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])
