"""The samples of a run: those that are found, and those that still need a start."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from ase import Atoms

from rm_engine.analysis import find_molecule_flaw
from rm_engine.checkpoint import Model, estimate_band_gaps
from rm_engine.errors import SearchError
from rm_engine.relax import find_penalties
from rm_engine.search.aim import find_pulls
from rm_engine.search.plan import plan_moves
from rm_engine.search.result import GeneratedStructure, GenerationResult, Progress, SampleFailure
from rm_engine.search.separation import has_fused_atoms
from rm_engine.search.stages import SampleStart, relax_starts, split_starts
from rm_engine.search.starts import Start, Starts
from rm_engine.search.walk import Relaxed, walk
from rm_engine.spec import GenerationSpec
from rm_engine.structure import StructureBatch, standardize

_MOVES: Final = 1
"""Tells the randomness of moves from that of starts."""

_ESTIMATED_TOGETHER: Final = 8
"""Relaxed structures that wait for one another until their properties are estimated in one batch."""

OnProgress = Callable[[Progress], None]
OnStructure = Callable[[GeneratedStructure], None]


class _Relaxed(NamedTuple):
    """A sample that has become a structure."""

    sample: int
    start: Start
    atoms: Atoms
    energy: float
    converged: bool
    n_steps: int


class Sampling:
    """Draws starts for samples and relaxes them until every sample has its structure or has had its attempts.

    Args:
        model: the model.
        spec: the run.
        samples: which of its samples.
        starts: where they start.
        on_progress: called every few relaxation steps.
        on_structure: called with each structure as soon as it is final.
    """

    def __init__(
        self,
        model: Model,
        spec: GenerationSpec,
        samples: Sequence[int],
        starts: Starts,
        on_progress: OnProgress | None,
        on_structure: OnStructure | None,
    ) -> None:
        self._model = model
        self._spec = spec
        self._starts = starts
        self._moves = plan_moves(spec)
        self._pulls = find_pulls(model, spec)
        self._without_annealing = replace(spec, annealing=0)
        self._on_progress = on_progress
        self._on_structure = on_structure
        self._n_samples = len(samples)
        self._relaxed: list[_Relaxed] = []
        self._found: dict[int, GeneratedStructure] = {}
        self._flawed: dict[int, GeneratedStructure] = {}
        """Samples of which nothing better is known than what is no molecule."""
        self._pending = dict.fromkeys(samples, "")
        """Sample and why its last start was set aside."""

    def try_pending(self, attempt: int) -> None:
        """Draw and relax one start for each sample that has no structure yet."""
        for group in split_starts(self._draw_starts(attempt), all_together=self._spec.generations > 0):
            self._relax(group)

    def finish(self) -> GenerationResult:
        """Make do with what is found: everything in the order of the samples."""
        for sample, structure in self._flawed.items():
            if sample in self._pending:
                self._keep(structure)
        return GenerationResult(
            [self._found[sample] for sample in sorted(self._found)],
            [SampleFailure(sample, reason) for sample, reason in self._pending.items()],
        )

    def _draw_starts(self, attempt: int) -> Iterator[SampleStart]:
        for sample in list(self._pending):
            try:
                yield sample, self._starts.draw(sample, attempt)
            except SearchError as error:
                self._pending[sample] = str(error)

    def _relax(self, group: Sequence[SampleStart]) -> None:
        def take(row: int, atoms: Atoms, energy: float, converged: bool, n_steps: int, reason: str | None) -> None:
            sample, start = group[row]
            if reason is None:
                atoms = self._tidy(atoms)
                reason = "two atoms fused" if has_fused_atoms(atoms) else None
            if reason is not None:
                self._pending[sample] = reason
                return
            self._relaxed.append(_Relaxed(sample, start, atoms, energy, converged, n_steps))
            if len(self._relaxed) == _ESTIMATED_TOGETHER and not self._moves:
                self._judge_relaxed()

        starts = [start for _, start in group]
        symmetries = [start.symmetry for start in starts]
        relax_starts(self._model, self._spec, [start.atoms for start in starts], self._report, take, symmetries)
        self._walk()
        self._judge_relaxed()

    def _walk(self) -> None:
        """Go on from the relaxed structures to others, by as many moves as asked for."""
        if not self._moves:
            return
        columns = [(one.atoms, one.energy, one.converged, one.n_steps) for one in self._relaxed]
        penalties = self._find_penalties([one.atoms for one in self._relaxed])
        ends = walk(
            [Relaxed(*values, penalty) for values, penalty in zip(columns, penalties, strict=True)],
            self._moves,
            [np.random.default_rng((self._spec.seed, one.sample, 0, _MOVES)) for one in self._relaxed],
            self._relax_again,
            self._spec.pressure,
        )
        self._relaxed = [
            one._replace(atoms=end.atoms, energy=end.energy, converged=end.converged, n_steps=end.n_steps)
            for one, end in zip(self._relaxed, ends, strict=True)
        ]

    def _relax_again(self, changed: Sequence[Atoms]) -> list[Relaxed | None]:
        result = relax_starts(self._model, self._without_annealing, changed, self._report)
        atoms = list(map(standardize, result.structures.to_atoms()))
        columns = [column.tolist() for column in (result.energies, result.converged, result.n_steps)]
        return [
            None if reason is not None or has_fused_atoms(values[0]) else Relaxed(*values)
            for *values, reason in zip(atoms, *columns, self._find_penalties(atoms), result.reasons, strict=True)
        ]

    def _find_penalties(self, structures: Sequence[Atoms]) -> list[float]:
        """What the target adds to the energy of each."""
        return find_penalties(self._pulls, StructureBatch.from_atoms(structures, device=self._model.device)).tolist()

    def _tidy(self, atoms: Atoms) -> Atoms:
        """A standard cell, atoms inside; around a seed structure its cell."""
        if self._spec.seed_structure is None:
            return standardize(atoms)
        if atoms.pbc.any():
            atoms.wrap()
        return atoms

    def _judge_relaxed(self) -> None:
        """Give the relaxed structures their properties and tell molecules from what is none."""
        relaxed, self._relaxed = self._relaxed, []
        for one, formation_energy, band_gap in zip(relaxed, *self._estimate(relaxed), strict=True):
            structure = GeneratedStructure(
                sample=one.sample,
                atoms=one.atoms,
                pseudo_energy_per_atom=one.energy / len(one.atoms),
                converged=one.converged,
                n_steps=one.n_steps,
                start=one.start.kind,
                start_origin=one.start.origin,
                formation_energy_per_atom=formation_energy,
                band_gap=band_gap,
            )
            if self._is_flawed(one.atoms):
                known = self._flawed.get(one.sample, structure)
                self._flawed[one.sample] = min(known, structure, key=lambda item: item.pseudo_energy_per_atom)
            else:
                self._keep(structure)

    def _estimate(self, relaxed: Sequence[_Relaxed]) -> list[list[float | None]]:
        """Formation energies, eV/atom, and band gaps, eV; None where there is no estimate."""
        if not relaxed:
            return [[], []]
        batch = StructureBatch.from_atoms([one.atoms for one in relaxed], device=self._model.device)
        estimates = self._model.estimate_formation_energies(batch), estimate_band_gaps(batch)
        return [[None] * len(relaxed) if column is None else column.tolist() for column in estimates]

    def _is_flawed(self, atoms: Atoms) -> bool:
        """Whether these atoms could have become a molecule and have not; no odd number of electrons could, nor what a
        model of crystals makes: clusters, which have no bonds to judge.
        """
        makes_molecules = self._spec.is_molecule and self._model.card.boundary == "molecule"
        could = makes_molecules and atoms.numbers.sum() % 2 == 0
        return could and find_molecule_flaw(atoms) is not None

    def _keep(self, structure: GeneratedStructure) -> None:
        del self._pending[structure.sample]
        self._found[structure.sample] = structure
        if self._on_structure is not None:
            self._on_structure(structure)

    def _report(self, _: int, n_steps: int) -> None:
        if self._on_progress is not None:
            self._on_progress(Progress(self._n_samples, len(self._found), n_steps))
