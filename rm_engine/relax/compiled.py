"""Relaxation by the compiled kernel: one structure at a time on each thread, the next one as soon as it is done.

A structure of a few atoms fits into the processor's first cache, and there is nothing to pad, to sort or to wait for.
The steps are those of the plain path; degrees of freedom are in double precision, the potential in single.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from queue import Empty, SimpleQueue
from threading import Event
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from rm_engine.kernels import Ending, PullStruct, RelaxationConstants, RelaxationStruct
from rm_engine.potential import CompiledPotential
from rm_engine.relax.config import RelaxationConfig
from rm_engine.relax.guard import THIN, TOO_LARGE
from rm_engine.relax.noise import find_key
from rm_engine.relax.outcome import OnDone, OnProgress, Outcome, RelaxationResult
from rm_engine.relax.projection import Symmetries
from rm_engine.relax.pull import Pull
from rm_engine.structure import CrystalSymmetry, StructureBatch, reduce_cell

_SLICE: Final = 200
"""Steps between two looks at whether to stop."""

_REDUCTION_INTERVAL: Final = 50
"""Steps between two looks at whether a cell has become skewed."""

_PATIENCE: Final = 0.1
"""Seconds between two reports of progress."""

_FREEDOMS: Final = ("free", "fixed_volume", "fixed")
"""As the kernel numbers them."""

_TOO_LARGE: Final = {Ending.TOO_MANY_NEIGHBORS, Ending.NO_MEMORY}

_NO_STEP: Final = -1

CompiledPulls = Sequence[tuple[Pull, CompiledPotential]]
"""What pulls structures, with its potential compiled."""


class Relaxation:
    """One structure on its way through one or two stages: the kernel's state and the arrays it points to.

    Args:
        compiled: the potential.
        numbers: (n_atoms,) atomic numbers.
        positions: (n_atoms, 3) Å.
        cell: (3, 3) Å.
        periodic: (3,) bool.
        stages: how to relax, one after the other.
        symmetry: what it keeps.
        pulls: what it is under.

    Attributes:
        state: of the present stage.
        n_steps: steps of all stages that have ended.
    """

    def __init__(
        self,
        compiled: CompiledPotential,
        numbers: NDArray[np.int64],
        positions: NDArray[np.float64],
        cell: NDArray[np.float64],
        periodic: NDArray[np.bool_],
        stages: Sequence[RelaxationConstants],
        symmetry: CrystalSymmetry | None = None,
        pulls: CompiledPulls = (),
    ) -> None:
        self._compiled = compiled
        self._stages = stages
        self._species = compiled.species(numbers)
        self._symmetry = symmetry
        self._cutoff = max([compiled.cutoff, *(head.cutoff for _, head in pulls)])
        self._pulled_species = [head.species(numbers) for _, head in pulls]
        self._pulls = (PullStruct * len(pulls))(*map(_pull_struct, pulls, self._pulled_species))
        self._periodic = (ctypes.c_uint8 * 4)(*periodic.tolist())
        self.n_steps = 0
        self._begin(stages[0], positions, cell)

    def run(self, stopped: Event) -> Ending:
        """Relax to the end, or until told to stop."""
        ending = self._finish(self._stages[0], stopped)
        for stage in self._stages[1:]:
            if self.state.reason or ending in _TOO_LARGE:
                break
            self._begin(stage, self.positions, self.cell)
            ending = self._finish(stage, stopped)
        return ending

    def _begin(self, stage: RelaxationConstants, positions: NDArray[np.float64], cell: NDArray[np.float64]) -> None:
        self._positions = positions.copy()
        self._velocities = np.zeros_like(self._positions)
        self._history = np.zeros((2 + 2 * stage.n_pairs, positions.size + 9))
        self.state = RelaxationStruct(
            n_atoms=len(positions),
            species=self._species.ctypes.data,
            reference_positions=self._positions.ctypes.data,
            velocities=self._velocities.ctypes.data,
            history=self._history.ctypes.data,
            periodic=self._periodic,
            reference_cell=(ctypes.c_double * 9)(*cell.flat),
            deformation=(ctypes.c_double * 9)(1, 0, 0, 0, 1, 0, 0, 0, 1),
            time_step=stage.time_step,
            mixing=stage.mixing,
            start_volume=abs(np.linalg.det(cell)),
            energy=np.nan,
            reduced_at=_NO_STEP,
            key=find_key(positions),
            cutoff=self._cutoff,
            n_pulls=len(self._pulls),
            pulls=ctypes.addressof(self._pulls),
        )
        if self._symmetry is not None:
            rotations, images = self._symmetry.rotations, self._symmetry.images
            self.state.n_operations = len(rotations)
            self.state.rotations, self.state.images = rotations.ctypes.data, images.ctypes.data

    def _finish(self, stage: RelaxationConstants, stopped: Event) -> Ending:
        ending = Ending.GOES_ON
        while ending in {Ending.GOES_ON, Ending.REDUCE} and not stopped.is_set():
            ending = self._compiled.kernel.relax(self._compiled.packed, stage, self.state, _SLICE)
            if ending is Ending.REDUCE:
                self._reduce()
        self.n_steps += self.state.n_steps
        return ending

    @property
    def deformation(self) -> NDArray[np.float64]:
        """(3, 3) F."""
        return np.array(self.state.deformation).reshape(3, 3)

    @property
    def positions(self) -> NDArray[np.float64]:
        """(n_atoms, 3) where the atoms are now, Å."""
        return self._positions @ self.deformation.T

    @property
    def cell(self) -> NDArray[np.float64]:
        """(3, 3) the cell now, Å."""
        return np.array(self.state.reference_cell).reshape(3, 3) @ self.deformation.T

    def _reduce(self) -> None:
        """See ``RelaxationState.with_reduced_cells``."""
        cell = self.cell
        whole = np.rint(reduce_cell(cell) @ np.linalg.inv(cell))
        self.state.reference_cell[:] = list((whole @ np.array(self.state.reference_cell).reshape(3, 3)).flat)


def relax_compiled(
    compiled: CompiledPotential,
    batch: StructureBatch,
    stages: Sequence[RelaxationConfig],
    on_progress: OnProgress | None = None,
    on_done: OnDone | None = None,
    symmetries: Symmetries = None,
    pulls: CompiledPulls = (),
) -> RelaxationResult:
    """:func:`rm_engine.relax.relax_in_stages` on the CPU by the kernel: each structure goes on to its next stage by
    itself.
    """
    outcome, stopped = Outcome(batch), Event()
    waiting = deque(_relaxations(compiled, batch, stages, symmetries, pulls))
    done: SimpleQueue[tuple[int, Relaxation, Ending]] = SimpleQueue()
    n_threads, n_steps = stages[-1].n_threads or torch.get_num_threads(), 0
    with ThreadPoolExecutor(n_threads) as pool:
        threads = [pool.submit(_relax_waiting, waiting, done, stopped) for _ in range(n_threads)]
        try:
            while outcome.n_done < batch.n_structures:
                try:
                    row, relaxation, ending = done.get(timeout=_PATIENCE)
                except Empty:
                    for thread in threads:
                        if thread.done():
                            thread.result()  # raises what ended it
                else:
                    _record(outcome, row, relaxation, ending)
                    n_steps = max(n_steps, relaxation.n_steps)
                outcome.tell(on_done)
                if on_progress is not None:
                    on_progress(outcome.n_done, n_steps)
        finally:  # a callback has had enough: what runs ends with its slice
            stopped.set()
    return outcome.result()


def _relax_waiting(
    waiting: deque[tuple[int, Relaxation]], done: SimpleQueue[tuple[int, Relaxation, Ending]], stopped: Event
) -> None:
    """What a thread does: one structure after the other, until none waits."""
    while not stopped.is_set():
        try:
            row, relaxation = waiting.popleft()
        except IndexError:
            return
        done.put((row, relaxation, relaxation.run(stopped)))


def _record(outcome: Outcome, row: int, relaxation: Relaxation, ending: Ending) -> None:
    state = relaxation.state
    code = TOO_LARGE if ending in _TOO_LARGE else state.reason
    converged = ending is Ending.CONVERGED
    outcome.record_one(row, relaxation.positions, relaxation.cell, relaxation.n_steps, code, state.energy, converged)


def _relaxations(
    compiled: CompiledPotential,
    batch: StructureBatch,
    stages: Sequence[RelaxationConfig],
    symmetries: Symmetries,
    pulls: CompiledPulls,
) -> Iterator[tuple[int, Relaxation]]:
    """Row and relaxation of every structure, the largest first: no thread is left with a long one at the end."""
    positions, numbers = batch.positions.double().numpy(), batch.numbers.numpy()
    cells, periodic = batch.cells.double().numpy(), batch.periodic.numpy()
    constants = [_constants(stage) for stage in stages]
    sizes = batch.sizes.numpy()
    ends = np.cumsum(sizes)
    for row in np.argsort(-sizes, kind="stable").tolist():
        atoms = slice(ends[row] - sizes[row], ends[row])
        symmetry = None if symmetries is None else symmetries[row]
        where = numbers[atoms], positions[atoms], cells[row], periodic[row]
        yield row, Relaxation(compiled, *where, constants, symmetry, pulls)


def _pull_struct(pulled: tuple[Pull, CompiledPotential], species: NDArray[np.int32]) -> PullStruct:
    """As the kernel takes it; ``species`` (n_atoms,) are rows of its potential's embeddings."""
    pull, head = pulled
    return PullStruct(
        head.kernel.evaluate_address,
        ctypes.addressof(head.packed.struct),
        species.ctypes.data,
        *(pull.lowest, pull.highest, pull.stiffness, pull.reach),
    )


def _constants(config: RelaxationConfig) -> RelaxationConstants:
    return RelaxationConstants(
        **asdict(config.optimizer),
        **asdict(config.guard),
        fmax=config.fmax,
        pressure=config.pressure,
        skin=config.skin,
        thin=THIN,
        max_steps=config.max_steps,
        cell=_FREEDOMS.index(config.cell),
        reduction_interval=_REDUCTION_INTERVAL,
        n_frozen=config.n_frozen,
    )
