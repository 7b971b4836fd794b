"""Structures that wait for a place in flight."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rm_engine.relax.optimizer import Optimizer
from rm_engine.relax.state import RelaxationState
from rm_engine.structure import StructureBatch


class Waiting:
    """Those that were put back from flight, as they were, then the starts in their order."""

    def __init__(self, batch: StructureBatch, n_bytes: Tensor, optimizer: Optimizer) -> None:
        """Let all structures of a batch wait.

        Args:
            batch: the starts.
            n_bytes: (n_structures,) what each takes in flight.
            optimizer: what will move them.
        """
        self._batch = batch
        self._optimizer = optimizer
        self._n_bytes = n_bytes.cpu().numpy()
        self._atom_ends = np.concatenate([[0], np.cumsum(batch.sizes.cpu().numpy())])
        self._next = 0
        self._put_back: list[RelaxationState] = []

    @property
    def n_structures(self) -> int:
        """Number of structures that wait."""
        return self._batch.n_structures - self._next + sum(state.n_structures for state in self._put_back)

    def count_bytes(self, state: RelaxationState) -> int:
        """Bytes that the structures of a state take in flight."""
        return int(self._n_bytes[state.origin.cpu().numpy()].sum())

    def put_back(self, state: RelaxationState) -> None:
        """Let structures wait, before all others, that have already made some steps."""
        self._put_back.append(state)

    @property
    def nobody(self) -> RelaxationState:
        """A state without structures."""
        return self._at_rest(0, 0)

    def next_in_line(self, n_bytes: int, *, at_least: int) -> RelaxationState:
        """The next structures that together take up to ``n_bytes``, but not fewer than ``at_least`` if any wait.

        They wait until :meth:`remove` is told that they have found a place.
        """
        if not self._put_back:
            rows = np.arange(self._next, self._batch.n_structures)
            return self._at_rest(self._next, self._next + self._count_fitting(rows, n_bytes, at_least))
        state = self._put_back[-1]
        n_fitting = self._count_fitting(state.origin.cpu().numpy(), n_bytes, at_least)
        if n_fitting == 0:
            return self.nobody
        if n_fitting < state.n_structures:
            fits = torch.arange(state.n_structures, device=state.origin.device) < n_fitting
            self._put_back[-1:] = state.select(~fits), state.select(fits)
        return self._put_back[-1]

    def remove(self, state: RelaxationState) -> None:
        """Let go of the structures that :meth:`next_in_line` named last."""
        if self._put_back:
            self._put_back.pop()
        else:
            self._next += state.n_structures

    def _count_fitting(self, rows: NDArray[np.int64], n_bytes: int, at_least: int) -> int:
        fitting = int(np.searchsorted(np.cumsum(self._n_bytes[rows]), n_bytes, side="right"))
        return max(fitting, min(at_least, len(rows)))

    def _at_rest(self, first: int, stop: int) -> RelaxationState:
        batch = self._batch
        atoms = slice(int(self._atom_ends[first]), int(self._atom_ends[stop]))
        starts = StructureBatch(
            batch.positions[atoms],
            batch.numbers[atoms],
            batch.cells[first:stop],
            batch.periodic[first:stop],
            batch.structure_of[atoms] - first,
        )
        origin = torch.arange(first, stop, device=batch.cells.device)
        return self._optimizer.begin(starts, origin)
