"""The path in torch on a GPU, where one is at hand: structures in a second, and how much of its bandwidth is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.report import Row, show
from benchmarks.subjects import draw_mixed, without_compiler
from benchmarks.throughput import MODEL, relax_as_jobs_do
from benchmarks.timing import wall_seconds
from rm_engine import load_model
from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import evaluate
from rm_engine.structure import StructureBatch

_N_EVALUATED = 2000
"""Structures that are evaluated at once."""
_COPIED = {"cuda": 2**26, "cpu": 2**20}
"""Numbers in a copy, by device."""


class TrafficCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # as torch declares it
    """Counts the bytes that operations read and write, each on its own, as if there were no caches.

    Attributes:
        n_bytes: those counted so far; views move nothing.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.n_bytes = 0

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401  # an operation
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  # whatever the operation gives
        """Run an operation and count what it moves."""
        result = func(*args, **(kwargs or {}))
        if not func.is_view:
            self.n_bytes += sum(
                leaf.numel() * leaf.element_size()
                for leaf in tree_leaves((args, kwargs, result))
                if isinstance(leaf, Tensor)
            )
        return result


def run(
    n_structures: int = 10_000, n_rounds: int = 3, max_steps: int = 2000, device: str | None = None
) -> Iterator[Row]:
    """Relax a mixed draw; then evaluate all of it at once and compare the traffic with that of a copy.

    Args:
        n_structures: structures.
        n_rounds: measurements.
        max_steps: most steps of a structure.
        device: where; without it, a GPU, and no figures where there is none.
    """
    if device is None and not torch.cuda.is_available():
        return
    with without_compiler():
        yield from _measure(torch.device(device or "cuda"), n_structures, n_rounds, max_steps)


def _measure(device: torch.device, n_structures: int, n_rounds: int, max_steps: int) -> Iterator[Row]:
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    model = load_model(MODEL, device=device)
    starts = draw_mixed(model, n_structures)
    relax_as_jobs_do(model, starts[:100], max_steps)  # warm up
    seconds = [_synchronized(device, lambda: relax_as_jobs_do(model, starts, max_steps)) for _ in range(n_rounds)]
    yield Row.of(
        (n_structures / one for one in seconds),
        name=f"throughput, {n_structures:,} structures of 4-20 atoms, {where}",
        goal=None,
        unit="structures/s",
        at_least=True,
        note="the draw of the throughput; as many in flight as the free memory takes; wall-clock",
    )
    batch = StructureBatch.from_atoms(starts[:_N_EVALUATED], device=device)
    neighbors = build_neighbor_list(batch, model.potential.config.cutoff)
    with TrafficCounter() as traffic:
        evaluate(model.potential, batch, neighbors)
    block = torch.zeros(_COPIED[device.type], device=device)
    copying = median(_synchronized(device, block.clone) for _ in range(10))
    bandwidth = 2 * block.numel() * block.element_size() / copying
    evaluating = [
        _synchronized(device, lambda: evaluate(model.potential, batch, neighbors)) for _ in range(10 * n_rounds)
    ]
    yield Row.of(
        (100 * traffic.n_bytes / one / bandwidth for one in evaluating),
        name=f"share of the bandwidth that an evaluation uses, {where}",
        goal=None,
        unit="%",
        at_least=True,
        note=f"energy, forces and stress of {batch.n_atoms:,} atoms: operations read and write "
        f"{show(traffic.n_bytes / batch.n_atoms / 1e3)} kB an atom, against a copy at {show(bandwidth / 1e9)} GB/s",
    )


def _synchronized(device: torch.device, action: Callable[[], object]) -> float:
    """Seconds until a device has done something."""

    def wait() -> None:
        action()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return wall_seconds(wait)
