"""What becomes of the structures that are relaxed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from ase import Atoms
from torch import Tensor

from rm_engine.relax.guard import REASONS
from rm_engine.relax.state import RelaxationState
from rm_engine.structure import StructureBatch

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
        self._first_atoms = torch.cumsum(batch.sizes, 0) - batch.sizes
        self._positions = batch.positions.clone()
        self._cells = batch.cells.clone()
        self._energies = batch.cells.new_full((n,), torch.nan)
        self._converged = torch.zeros(n, dtype=torch.bool, device=device)
        self._n_steps = torch.zeros(n, dtype=torch.int64, device=device)
        self._codes = torch.zeros(n, dtype=torch.int64, device=device)
        self._untold: list[tuple[Tensor, StructureBatch]] = []
        self.n_done = 0

    def record(
        self,
        gone: RelaxationState,
        codes: Tensor,
        energies: Tensor | None = None,
        converged: Tensor | None = None,
    ) -> None:
        """Take down structures that leave, with codes into ``REASONS``; where they are set aside before they were
        evaluated, there is no energy. All tensors are (n_structures,).
        """
        structures, rows = gone.structures, gone.origin
        shift = self._first_atoms[rows] - torch.cumsum(structures.sizes, 0) + structures.sizes
        atoms = torch.arange(structures.n_atoms, device=rows.device) + shift[structures.structure_of]
        self._positions[atoms] = structures.positions
        self._cells[rows] = structures.cells
        self._n_steps[rows] = gone.n_steps
        self._codes[rows] = codes
        if energies is not None and converged is not None:
            self._energies[rows] = energies
            self._converged[rows] = converged
        self.n_done += gone.n_structures
        self._untold.append((rows, structures))

    def tell(self, on_done: OnDone | None) -> None:
        """Pass on what was taken down since the last call."""
        untold, self._untold = self._untold, []
        if on_done is None:
            return
        columns = (self._energies, self._converged, self._n_steps, self._codes)
        for rows, structures in untold:
            energies, converged, n_steps, codes = (column[rows].tolist() for column in columns)
            reasons = [REASONS[code] or None for code in codes]
            for done in zip(rows.tolist(), structures.to_atoms(), energies, converged, n_steps, reasons, strict=True):
                on_done(*done)

    def result(self) -> RelaxationResult:
        """All structures in the order they were given."""
        return RelaxationResult(
            structures=self._batch.moved(self._positions, self._cells),
            energies=self._energies,
            converged=self._converged,
            n_steps=self._n_steps,
            reasons=[REASONS[code] or None for code in self._codes.tolist()],
        )
