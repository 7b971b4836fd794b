"""What becomes of the structures that are relaxed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from numpy.typing import NDArray
from torch import Tensor

from rm_engine.relax.guard import REASONS
from rm_engine.structure import StructureBatch

OnProgress = Callable[[int, int], None]
"""Called with the number of structures done and the number of steps made by the batch; may raise to stop the run."""

OnDone = Callable[[int, Atoms, float, bool, int, str | None], None]
"""Called for each structure as soon as it leaves with its row in the batch that was given, where it ended, its pseudo
energy there (NaN where there is none), whether it converged, the steps it made and why it was set aside (None where it
was not); may raise to stop the run."""


@dataclass(frozen=True)
class RelaxationResult:
    """Relaxed structures, in the order they were given.

    Attributes:
        structures: where they ended.
        energies: (n_structures,) pseudo energies there.
        converged: (n_structures,) bool.
        n_steps: (n_structures,) steps made.
        reasons: why a structure was set aside, None where it was not.
    """

    structures: StructureBatch
    energies: Tensor
    converged: Tensor
    n_steps: Tensor
    reasons: list[str | None]


class Outcome:
    """Collects the structures that have left."""

    def __init__(self, batch: StructureBatch) -> None:
        n, device = batch.n_structures, batch.cells.device
        self._batch = batch
        self._ends = torch.cumsum(batch.sizes, 0)
        self._positions = batch.positions.clone()
        self._cells = batch.cells.clone()
        self._energies = batch.cells.new_full((n,), torch.nan)
        self._converged = torch.zeros(n, dtype=torch.bool, device=device)
        self._n_steps = torch.zeros(n, dtype=torch.int64, device=device)
        self._codes = torch.zeros(n, dtype=torch.int64, device=device)
        self._untold: list[int] = []
        self.n_done = 0

    def record(
        self,
        rows: Tensor,
        positions: Tensor,
        cells: Tensor,
        n_steps: Tensor,
        codes: Tensor,
        energies: Tensor,
        converged: Tensor,
    ) -> None:
        """Take down structures that leave.

        Args:
            rows: (n_gone,) where they stand in the batch.
            positions: of all their atoms, in the order of ``rows``.
            cells: (n_gone, 3, 3).
            n_steps: (n_gone,).
            codes: (n_gone,) into ``REASONS``.
            energies: (n_gone,); NaN where there is none.
            converged: (n_gone,) bool.
        """
        sizes = self._batch.sizes[rows]
        shift = torch.repeat_interleave(self._ends[rows] - torch.cumsum(sizes, 0), sizes)
        self._positions[torch.arange(len(positions), device=rows.device) + shift] = positions.to(self._positions)
        self._cells[rows] = cells.to(self._cells)
        self._n_steps[rows] = n_steps
        self._codes[rows] = codes
        self._energies[rows] = energies.to(self._energies)
        self._converged[rows] = converged
        self.n_done += len(rows)
        self._untold += rows.tolist()

    def record_one(
        self,
        row: int,
        positions: NDArray[np.float64],
        cell: NDArray[np.float64],
        n_steps: int,
        code: int,
        energy: float,
        converged: bool,
    ) -> None:
        """The same for one structure of a batch on the CPU, in a tenth of the time."""
        end = int(self._ends[row])
        self._positions.numpy()[end - len(positions) : end] = positions
        columns = (self._cells, self._n_steps, self._codes, self._energies, self._converged)
        for column, value in zip(columns, (cell, n_steps, code, energy, converged), strict=True):
            column.numpy()[row] = value
        self.n_done += 1
        self._untold.append(row)

    def tell(self, on_done: OnDone | None) -> None:
        """Pass on what was taken down since the last call."""
        untold, self._untold = self._untold, []
        if on_done is None or not untold:
            return
        rows = torch.tensor(untold, device=self._ends.device)
        columns = (self._ends, self._energies, self._converged, self._n_steps, self._codes)
        left = zip(untold, *(column[rows].tolist() for column in columns), strict=True)
        for row, end, energy, converged, n_steps, code in left:
            on_done(row, self._atoms(row, end), energy, converged, n_steps, REASONS[code] or None)

    def _atoms(self, row: int, end: int) -> Atoms:
        """Where a structure is that ends before this atom of the batch."""
        atoms = slice(end - int(self._batch.sizes[row]), end)
        periodic = self._batch.periodic[row].cpu().numpy()
        return Atoms(
            self._batch.numbers[atoms].cpu().numpy(),
            self._positions[atoms].double().cpu().numpy(),
            cell=self._cells[row].double().cpu().numpy() if periodic.any() else None,
            pbc=periodic,
        )

    def result(self) -> RelaxationResult:
        """All structures in the order they were given."""
        return RelaxationResult(
            structures=self._batch.moved(self._positions, self._cells),
            energies=self._energies,
            converged=self._converged,
            n_steps=self._n_steps,
            reasons=[REASONS[code] or None for code in self._codes.tolist()],
        )
