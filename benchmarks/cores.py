"""Two cores against one: threads, and processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

import torch
from ase import Atoms

from benchmarks.report import Row, show
from benchmarks.subjects import draw_mixed, load
from benchmarks.throughput import MODEL, relax_as_jobs_do
from benchmarks.timing import pinned_to_one_core, take_turns, use_one_core, wall_seconds
from rm_engine.checkpoint import Model


def run(n_parts: int = 8, part_size: int = 100, n_rounds: int = 5, max_steps: int = 2000) -> Iterator[Row]:
    """Relax the same parts of a mixed draw in one process of one thread, in one of two, and in two of one, in turn.

    Args:
        n_parts: parts that processes take from a queue.
        part_size: structures of a part.
        n_rounds: measurements of each.
        max_steps: most steps of a structure.
    """
    starts = draw_mixed(_model(), n_parts * part_size)
    parts = [starts[part::n_parts] for part in range(n_parts)]
    steps = [max_steps] * n_parts

    def relax_in_threads(n_threads: int) -> None:
        torch.set_num_threads(n_threads)
        for part in parts:
            _relax_part(part, max_steps)

    def relax_on_one_core() -> None:
        with pinned_to_one_core():
            relax_in_threads(1)

    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=use_one_core) as pool:
        seconds = take_turns(
            {
                "one": relax_on_one_core,
                "threads": lambda: relax_in_threads(2),
                "processes": lambda: list(pool.map(_relax_part, parts, steps)),
            },
            n_rounds,
            wall_seconds,
        )
    use_one_core()
    for way, note in {
        "threads": "one process of two threads, as `rmatch generate` runs",
        "processes": "two processes of one thread, as workers run",
    }.items():
        yield Row.of(
            (one / two for one, two in zip(seconds["one"], seconds[way], strict=True)),
            name=f"two cores against one, {way}",
            goal=1.8,
            unit="times faster",
            at_least=True,
            note=f"{note}, against one of one on a core of its own: {n_parts} parts of {part_size} structures of the "
            f"throughput's draw, "
            f"wall-clock, in turn, {show(min(seconds['one']))} and {show(min(seconds[way]))} s at best",
        )


@cache
def _model() -> Model:
    return load(MODEL)


def _relax_part(starts: Sequence[Atoms], max_steps: int) -> None:
    relax_as_jobs_do(_model(), starts, max_steps)
