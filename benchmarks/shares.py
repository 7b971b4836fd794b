"""How much of a relaxation is spent outside the potential: neighbours, optimiser, bookkeeping."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module

from ase import Atoms

from benchmarks.report import Row
from benchmarks.structures import draw_starts
from benchmarks.timing import clock_around, cpu_seconds, use_one_core
from rm_engine import load_model
from rm_engine.checkpoint import Model
from rm_engine.relax import RelaxationConfig, relax
from rm_engine.structure import StructureBatch

Probe = Callable[[Model, Sequence[Atoms], RelaxationConfig], float]
"""Relaxes starts and says which share of the time was spent outside the potential."""


def run(n_starts: int = 30, n_rounds: int = 5, max_steps: int = 2000) -> Iterator[Row]:
    """Relax LiS2 starts of 12 atoms with a clock around the potential.

    Args:
        n_starts: starts.
        n_rounds: measurements.
        max_steps: most steps of a structure.
    """
    use_one_core()
    model = load_model("mp20", device="cpu")
    config = RelaxationConfig(fmax=0.01, max_steps=max_steps)
    starts = draw_starts(model, "LiS2", n_starts, formula_units=4)
    for way, probe in PROBES.items():
        probe(model, starts, RelaxationConfig(max_steps=10))
        yield Row.of(
            (100 * probe(model, starts, config) for _ in range(n_rounds)),
            name=f"share of a relaxation's time outside the potential, {way}",
            goal=20,
            unit="%",
            at_least=False,
            note=f"LiS2, {n_starts} x 12 atoms from random starts to fmax {config.fmax:g}, one core: neighbours, "
            "FIRE, cells, bookkeeping",
        )


def _share_around_evaluate(model: Model, starts: Sequence[Atoms], config: RelaxationConfig) -> float:
    """The share of a relaxation that is not spent in :func:`rm_engine.potential.evaluate`."""
    batch = StructureBatch.from_atoms(starts)
    with clock_around(import_module("rm_engine.relax.relaxation"), "evaluate") as inside:
        total = cpu_seconds(lambda: relax(model.potential, batch, config))
    return 1 - inside() / total


PROBES: Mapping[str, Probe] = {"batched": _share_around_evaluate}
