"""Structures in a second of one core: many compositions and sizes, drawn and relaxed as jobs of the service are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ase import Atoms

from benchmarks.report import Row, show
from benchmarks.subjects import SIZES, draw_mixed, load
from benchmarks.timing import cpu_seconds, use_one_core
from rm_engine import GenerationSpec
from rm_engine.checkpoint import Model
from rm_engine.relax import RelaxationResult
from rm_engine.search import relax_starts

MODEL = "mp20-plus"


def run(n_structures: int = 1000, n_rounds: int = 3, max_steps: int = 2000) -> Iterator[Row]:
    """Relax a mixed draw together.

    Args:
        n_structures: structures.
        n_rounds: measurements.
        max_steps: most steps of a structure.
    """
    use_one_core()
    model = load(MODEL)
    starts = draw_mixed(model, n_structures)
    relax_as_jobs_do(model, starts[:8], max_steps)  # warm up
    results: list[RelaxationResult] = []
    seconds = [cpu_seconds(lambda: results.append(relax_as_jobs_do(model, starts, max_steps))) for _ in range(n_rounds)]
    converged = float(results[-1].converged.double().mean())
    n_cells = len({atoms.get_chemical_formula("hill") for atoms in starts})
    set_aside = sum(reason is not None for reason in results[-1].reasons)
    yield Row.of(
        (n_structures / second for second in seconds),
        name=f"throughput, {n_structures:,} structures of {SIZES.start}-{SIZES.stop - 1} atoms",
        goal=40,
        unit="structures/s/core",
        at_least=True,
        note=f"{MODEL}, starts in the usual mix, {n_cells} different contents of the cell, "
        f"{show(sum(map(len, starts)) / n_structures)} atoms on average, to fmax 0.01: {100 * converged:.0f} % "
        f"converged after {show(float(results[-1].n_steps.double().mean()))} steps on average, {set_aside} set aside; "
        "drawing not counted",
    )


def relax_as_jobs_do(model: Model, starts: Sequence[Atoms], max_steps: int) -> RelaxationResult:
    """Settle starts at fixed volume, then relax them with a free cell."""
    spec = GenerationSpec(composition="LiS2", model=model.card.name, max_steps=max_steps)  # of any composition
    return relax_starts(model, spec, starts, lambda _n_done, _n_steps: None)
