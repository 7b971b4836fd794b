"""Two cores against one: as many processes as cores, each with one thread, as workers run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

from ase import Atoms

from benchmarks.report import Row, show
from benchmarks.structures import draw_mixed
from benchmarks.throughput import MODEL, relax_as_jobs_do
from benchmarks.timing import take_turns, use_one_core, wall_seconds
from rm_engine import load_model
from rm_engine.checkpoint import Model


def run(n_parts: int = 8, part_size: int = 50, n_rounds: int = 5, max_steps: int = 2000) -> Iterator[Row]:
    """Relax the same parts of a mixed draw in one process and in two, in turn.

    Args:
        n_parts: parts that the processes take from a queue.
        part_size: structures of a part.
        n_rounds: measurements of both.
        max_steps: most steps of a structure.
    """
    use_one_core()
    starts = draw_mixed(_model(), n_parts * part_size)
    parts = [starts[part::n_parts] for part in range(n_parts)]
    steps = [max_steps] * n_parts
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=use_one_core) as pool:
        seconds = take_turns(
            {
                "one": lambda: list(map(_relax_part, parts, steps)),
                "two": lambda: list(pool.map(_relax_part, parts, steps)),
            },
            n_rounds,
            wall_seconds,
        )
    best = f"{show(min(seconds['one']))} and {show(min(seconds['two']))} s at best"
    yield Row.of(
        (one / two for one, two in zip(seconds["one"], seconds["two"], strict=True)),
        name="two cores against one",
        goal=1.8,
        unit="times faster",
        at_least=True,
        note=f"{n_parts} parts of {part_size} structures of the draw of the throughput, taken by one process and by "
        f"two of one thread each, wall-clock, in turn: {best}",
    )


@cache
def _model() -> Model:
    return load_model(MODEL, device="cpu")


def _relax_part(starts: Sequence[Atoms], max_steps: int) -> None:
    relax_as_jobs_do(_model(), starts, max_steps)
