"""Random structure search on the pseudo energy surface: draw starts, relax them together, keep what is a structure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from ase import Atoms

from rm_engine.analysis import find_molecule_flaw
from rm_engine.checkpoint import Model
from rm_engine.errors import SearchError
from rm_engine.relax import CellFreedom, RelaxationConfig, RelaxationResult, relax
from rm_engine.search.result import GeneratedStructure, GenerationResult, Progress, SampleFailure
from rm_engine.search.separation import has_fused_atoms
from rm_engine.search.starts import Start, Starts
from rm_engine.search.substitution import Reference
from rm_engine.spec import GenerationSpec
from rm_engine.structure import StructureBatch, reduce_cell

_MAX_ATTEMPTS: Final = 5
"""Starts that a sample may use up before it is given up."""

_MAX_MOLECULE_ATTEMPTS: Final = 16
"""The same for molecules: by composition, one start in two to one in ten becomes a molecule."""

_MOLECULE_TIGHTNESS: Final = 0.1
"""Molecules are relaxed to this fraction of ``fmax``: at 0.01 many bonds are still 0.2 Å off."""

_ATOMS_PER_BATCH: Final = 2048
"""Atoms relaxed together; keeps a batch within some hundred megabytes."""

_SETTLING: Final = RelaxationConfig(fmax=0.05, max_steps=100, cell="fixed_volume")
"""First stage for crystals (the paper's protocol): atoms find their places before the cell may change its volume."""

OnProgress = Callable[[Progress], None]


def generate(  # the options are checked by GenerationSpec
    model: Model,
    composition: str,
    n: int = 30,
    seed: int = 0,
    *,
    references: Sequence[Reference | Atoms] = (),
    on_progress: OnProgress | None = None,
    **options: Any,  # noqa: ANN401
) -> list[GeneratedStructure]:
    """Propose structures for a composition, lowest energy per atom first (see
    :attr:`GeneratedStructure.ranking_energy`).

    Args:
        model: from :func:`rm_engine.load_model`.
        composition: formula as written, e.g. ``LiS2``.
        n: number of structures.
        seed: the same seed gives the same structures.
        references: known structures, with keys or without, into which elements are substituted for starts.
        on_progress: called every few relaxation steps.
        options: other fields of :class:`rm_engine.spec.GenerationSpec`; ``formula_units`` may be a single number.

    Raises:
        InputError: a value out of its bounds, or an element that the model does not know.
        SearchError: no sample gave a structure.
    """
    units = options.pop("formula_units", None)
    spec = GenerationSpec(
        composition=composition,
        n=n,
        seed=seed,
        model=model.card.name,
        formula_units=(units,) if isinstance(units, int) else units,
        **options,
    )
    known = [item if isinstance(item, tuple) else (str(row), item) for row, item in enumerate(references)]
    result = generate_samples(model, spec, range(n), references=known, on_progress=on_progress)
    if not result.structures:
        raise SearchError(f"None of {n} samples of {composition} gave a structure: {result.failures[0].reason}")
    return sorted(result.structures, key=lambda structure: structure.ranking_energy)


def generate_samples(
    model: Model,
    spec: GenerationSpec,
    samples: Sequence[int],
    *,
    references: Sequence[Reference] = (),
    on_progress: OnProgress | None = None,
) -> GenerationResult:
    """Generate some samples of a run.

    A start that is set aside (its cell collapses, its atoms fuse) is drawn anew, at most five times. So is one that
    relaxes to pieces or radicals instead of a molecule, at most 16 times; if none does better, the lowest of them is
    the sample's structure.

    Args:
        model: the model.
        spec: the run; ``spec.n`` and ``spec.match`` do not matter here.
        samples: which samples.
        references: key and structure of what is known; some starts substitute into those of the same stoichiometry
            pattern.
        on_progress: called every few relaxation steps; what it raises ends the run.

    Raises:
        InputError: the model does not know an element.
    """
    spec.check_against(model.card)
    search = _Search(model, spec, samples, Starts(spec, model.card, references), on_progress)
    for attempt in range(_MAX_MOLECULE_ATTEMPTS if spec.is_molecule else _MAX_ATTEMPTS):
        search.try_pending(attempt)
    return search.result()


class _Search:
    """The samples found so far, and those that still need a start."""

    def __init__(
        self,
        model: Model,
        spec: GenerationSpec,
        samples: Sequence[int],
        starts: Starts,
        on_progress: OnProgress | None,
    ) -> None:
        self._model = model
        self._spec = spec
        self._starts = starts
        self._on_progress = on_progress
        self._n_samples = len(samples)
        self._found: dict[int, GeneratedStructure] = {}
        self._flawed: dict[int, GeneratedStructure] = {}
        """Samples of which nothing better is known than what is no molecule."""
        self._pending = dict.fromkeys(samples, "")
        """Sample and why its last start was set aside."""

    def try_pending(self, attempt: int) -> None:
        """Draw and relax one start for each sample that has no structure yet."""
        starts = list(self._draw_starts(attempt))
        for group in _split(starts):
            relaxed = relax_starts(self._model, self._spec, [start.atoms for _, start in group], self._report)
            for (sample, start), atoms, outcome in zip(
                group, relaxed.structures.to_atoms(), _outcomes(self._model, relaxed), strict=True
            ):
                self._take(sample, start, atoms, outcome)

    def result(self) -> GenerationResult:
        """Everything, in the order of the samples."""
        found = self._flawed | self._found
        return GenerationResult(
            [found[sample] for sample in sorted(found)],
            [SampleFailure(sample, reason) for sample, reason in self._pending.items() if sample not in found],
        )

    def _draw_starts(self, attempt: int) -> Iterator[tuple[int, Start]]:
        for sample in self._pending:
            try:
                yield sample, self._starts.draw(sample, attempt)
            except SearchError as error:
                self._pending[sample] = str(error)

    def _take(self, sample: int, start: Start, atoms: Atoms, outcome: _Outcome) -> None:
        """Keep a relaxed structure, or note why not."""
        reason = outcome.reason
        if reason is None:
            atoms = standardize(atoms)
            if has_fused_atoms(atoms):
                reason = "two atoms fused"
        if reason is not None:
            self._pending[sample] = reason
            return
        structure = GeneratedStructure(
            sample=sample,
            atoms=atoms,
            pseudo_energy_per_atom=outcome.energy / len(atoms),
            converged=outcome.converged,
            n_steps=outcome.n_steps,
            start=start.kind,
            start_origin=start.origin,
            formation_energy_per_atom=outcome.formation_energy_per_atom,
        )
        if self._is_flawed(atoms):
            known = self._flawed.get(sample, structure)
            self._flawed[sample] = min(known, structure, key=lambda one: one.pseudo_energy_per_atom)
            return
        del self._pending[sample]
        self._found[sample] = structure

    def _is_flawed(self, atoms: Atoms) -> bool:
        """Whether these atoms could have become a molecule and have not; no odd number of electrons could."""
        could = self._spec.is_molecule and atoms.numbers.sum() % 2 == 0
        return could and find_molecule_flaw(atoms) is not None

    def _report(self, n_done: int, n_steps: int) -> None:
        if self._on_progress is not None:
            self._on_progress(Progress(self._n_samples, min(self._n_samples, len(self._found) + n_done), n_steps))


class _Outcome(NamedTuple):
    """How the relaxation of one structure ended."""

    energy: float
    converged: bool
    n_steps: int
    reason: str | None
    formation_energy_per_atom: float | None


def _outcomes(model: Model, relaxed: RelaxationResult) -> Iterator[_Outcome]:
    estimates = model.estimate_formation_energies(relaxed.structures)
    rows = (
        relaxed.energies.tolist(),
        relaxed.converged.tolist(),
        relaxed.n_steps.tolist(),
        relaxed.reasons,
        [None] * relaxed.structures.n_structures if estimates is None else estimates.tolist(),
    )
    return (_Outcome(*row) for row in zip(*rows, strict=True))


def standardize(atoms: Atoms) -> Atoms:
    """The same structure in a reduced cell of standard orientation (first vector along x, second in the xy plane),
    atoms inside.

    Molecules are centred on the origin; partly periodic structures keep the cell that the caller gave.
    """
    atoms = atoms.copy()
    if atoms.pbc.all():
        reduced = reduce_cell(atoms.cell.array)
        atoms.set_cell(reduced * np.sign(np.linalg.det(reduced)))
        standard, _ = atoms.cell.standard_form()
        atoms.set_cell(standard, scale_atoms=True)
    if atoms.pbc.any():
        atoms.wrap()
    else:
        atoms.positions -= atoms.positions.mean(axis=0)
    return atoms


def _split(starts: Sequence[tuple[int, Start]]) -> Iterator[list[tuple[int, Start]]]:
    """Groups of starts that are relaxed together."""
    group: list[tuple[int, Start]] = []
    n_atoms = 0
    for start in starts:
        if group and n_atoms + len(start[1].atoms) > _ATOMS_PER_BATCH:
            yield group
            group, n_atoms = [], 0
        group.append(start)
        n_atoms += len(start[1].atoms)
    if group:
        yield group


def relax_starts(
    model: Model, spec: GenerationSpec, starts: Sequence[Atoms], on_progress: Callable[[int, int], None]
) -> RelaxationResult:
    """Relax starts together as the boundary conditions allow; crystals of free cell settle at fixed volume first.

    Args:
        model: the model.
        spec: boundary conditions, ``fmax`` and ``max_steps``; its composition does not matter.
        starts: the structures.
        on_progress: called every few steps with the structures done and the steps made.
    """
    batch = StructureBatch.from_atoms(starts, dtype=torch.float32, device=model.device)
    freedom: CellFreedom = "free" if spec.is_crystal and not spec.fixed_cell else "fixed"
    fmax = spec.fmax * (_MOLECULE_TIGHTNESS if spec.is_molecule else 1)
    final = RelaxationConfig(fmax=fmax, max_steps=spec.max_steps, cell=freedom)
    if freedom == "fixed":
        return relax(model.potential, batch, final, on_progress)
    settled = relax(model.potential, batch, _SETTLING, lambda _, n_steps: on_progress(0, n_steps))
    relaxed = relax(model.potential, settled.structures, final, on_progress)
    return replace(
        relaxed,
        n_steps=relaxed.n_steps + settled.n_steps,
        reasons=[early or late for early, late in zip(settled.reasons, relaxed.reasons, strict=True)],
    )
