"""How much of a relaxation is spent outside the potential: neighbours, optimiser, bookkeeping."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from unittest.mock import patch

from ase import Atoms

from benchmarks.report import Row
from benchmarks.subjects import draw_starts, load, without_compiler
from benchmarks.timing import clock_around, cpu_seconds, use_one_core
from rm_engine.checkpoint import Model
from rm_engine.kernels import Ending
from rm_engine.relax import RelaxationConfig, compiled, flight, relax
from rm_engine.structure import StructureBatch

Probe = Callable[[Model, Sequence[Atoms], RelaxationConfig], float]
"""Relaxes starts and says which share of the time was spent outside the potential."""


def run(n_starts: int = 30, n_rounds: int = 11, max_steps: int = 2000) -> Iterator[Row]:
    """Relax LiS2 starts of 12 atoms with a clock around the potential.

    Args:
        n_starts: starts.
        n_rounds: measurements.
        max_steps: most steps of a structure.
    """
    use_one_core()
    model = load("mp20")
    config = RelaxationConfig(fmax=0.01, max_steps=max_steps)
    starts = draw_starts(model, "LiS2", n_starts, formula_units=4)
    for way, goal, probe in _PROBES:
        probe(model, starts, RelaxationConfig(max_steps=10))
        yield Row.of(
            (100 * probe(model, starts, config) for _ in range(n_rounds)),
            name=f"share of a relaxation's time outside the potential{way}",
            goal=goal,
            unit="%",
            at_least=False,
            note=f"LiS2, {n_starts} x 12 atoms from random starts to fmax {config.fmax:g}, one core: neighbours, "
            "FIRE, cells, bookkeeping",
        )


def _share_around_kernel(model: Model, starts: Sequence[Atoms], config: RelaxationConfig) -> float:
    """The share that the kernel, which looks at the clock itself, does not spend on the potential.

    Its clock goes on while the thread must wait for a core, so no more than the thread's CPU time counts.
    """
    spent: list[float] = []

    class Watched(compiled.Relaxation):
        def run(self, stopped: Event) -> Ending:
            begin = time.thread_time()
            ending = super().run(stopped)
            spent.append(min(self.state.potential_seconds, time.thread_time() - begin))
            return ending

    with patch.object(compiled, "Relaxation", Watched):
        total = cpu_seconds(lambda: relax(model.potential, StructureBatch.from_atoms(starts), config))
    return 1 - sum(spent) / total


def _share_around_evaluate(model: Model, starts: Sequence[Atoms], config: RelaxationConfig) -> float:
    """The share that is not spent in :func:`rm_engine.potential.evaluate` where there is no kernel."""
    with without_compiler(), clock_around(flight, "evaluate") as inside:
        total = cpu_seconds(lambda: relax(model.potential, StructureBatch.from_atoms(starts), config))
    return 1 - inside() / total


_PROBES: Sequence[tuple[str, float | None, Probe]] = (
    ("", 20, _share_around_kernel),
    (", without a compiler", None, _share_around_evaluate),
)
