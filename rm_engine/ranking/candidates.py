"""What searches find for known compositions: the known structure, or a false minimum that must lie above it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from ase import Atoms

from rm_engine.analysis import Matcher
from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import SearchError
from rm_engine.evaluation.campaign import Campaign, Result
from rm_engine.files import to_json
from rm_engine.search import relax_starts
from rm_engine.search.separation import has_fused_atoms
from rm_engine.search.starts import Start, Starts
from rm_engine.search.substitution import Reference
from rm_engine.spec import Formula, GenerationSpec, StartMix, parse_formula, read_fingerprint
from rm_engine.structure import standardize

_TARGETS_PER_TASK: Final = 16
"""Compositions whose samples are relaxed together."""


@dataclass(frozen=True, kw_only=True)
class CandidateSpec:
    """How candidates are searched for.

    Attributes:
        n_targets: known structures whose composition is searched, drawn at random.
        n_samples: samples for each.
        starts: their kinds; references are known structures of other compositions.
        seed: seed of choice and samples.
        fmax: where relaxations end, pseudo units.
        max_steps: most steps of a relaxation.
    """

    n_targets: int
    n_samples: int = 8
    starts: StartMix = field(default_factory=lambda: StartMix(references=4, wyckoff=4, random=1))
    seed: int = 0
    fmax: float = 0.02
    max_steps: int = 400


@dataclass(frozen=True)
class CandidateSearch(Campaign[tuple[int, ...]]):
    """The search for candidates of many compositions, as a campaign that can be cut off and goes on.

    Attributes:
        checkpoint: of the model whose surface is searched.
        known: name and structure of everything known.
        spec: how.
    """

    checkpoint: Path
    known: Sequence[Reference]
    spec: CandidateSpec

    @cached_property
    def _model(self) -> Model:
        return load_model(self.checkpoint)

    @cached_property
    def tasks(self) -> Sequence[tuple[int, ...]]:
        """Rows of the known structures that are searched together."""
        compounds = [row for row, (_, atoms) in enumerate(self.known) if len(set(atoms.numbers.tolist())) > 1]
        chosen = np.random.default_rng(self.spec.seed).permutation(compounds)[: self.spec.n_targets].tolist()
        return [tuple(chosen[row : row + _TARGETS_PER_TASK]) for row in range(0, len(chosen), _TARGETS_PER_TASK)]

    def identify(self, task: tuple[int, ...]) -> dict[str, Any]:
        """The targets, how they are searched, and on which surface; not how many there are besides."""
        how = asdict(self.spec)
        del how["n_targets"]
        return {
            "targets": [self.known[row][0] for row in task],
            "spec": how,
            "model": read_fingerprint(self.checkpoint),
        }

    def prepare(self) -> Callable[[tuple[int, ...]], Result]:
        """Sort the known structures by what they can be asked for."""
        by_pattern: defaultdict[str, list[tuple[str, Reference]]] = defaultdict(list)
        by_formula: defaultdict[str, list[Reference]] = defaultdict(list)
        for reference in self.known:
            formula = _formula_of(reference[1])
            by_pattern[formula.anonymous].append((formula.reduced, reference))
            by_formula[formula.reduced].append(reference)

        def do(task: tuple[int, ...]) -> Result:
            starts = [
                (row, start)
                for row in task
                for start in self._draw(row, by_pattern[_formula_of(self.known[row][1]).anonymous])
            ]
            relaxed = self._relax([start for _, start in starts])
            matchers = {row: Matcher(by_formula[_formula_of(self.known[row][1]).reduced]) for row in task}
            found = [
                {
                    "target": self.known[row][0],
                    "start": start.kind,
                    "match": next((match.key for match in matchers[row].find_matches(atoms)), None),
                    "atoms": to_json(atoms),
                }
                for (row, start), atoms in zip(starts, relaxed, strict=True)
                if atoms is not None
            ]
            return {"candidates": found}

        return do

    def _draw(self, row: int, known: Sequence[tuple[str, Reference]]) -> Iterator[Start]:
        """The starts for one target; what is known of its own composition is no reference."""
        formula = _formula_of(self.known[row][1])
        references = [reference for reduced, reference in known if reduced != formula.reduced]
        starts = Starts(self._generation(formula, row), self._model.card, references)
        for sample in range(self.spec.n_samples):
            try:
                yield starts.draw(sample)
            except SearchError:
                continue

    def _generation(self, formula: Formula, row: int) -> GenerationSpec:
        spec = self.spec
        return GenerationSpec(
            composition=str(formula),
            n=spec.n_samples,
            formula_units=(1,),
            starts=spec.starts,
            model=self.checkpoint.stem,
            seed=spec.seed + row,
            fmax=spec.fmax,
            max_steps=spec.max_steps,
        )

    def _relax(self, starts: Sequence[Start]) -> Iterator[Atoms | None]:
        """Relaxed structures; None for what fell apart or into one another."""
        spec = self._generation(parse_formula("H"), 0)  # whatever composition: only how to relax counts
        relaxed = relax_starts(self._model, spec, [start.atoms for start in starts])
        for atoms, reason in zip(relaxed.structures.to_atoms(), relaxed.reasons, strict=True):
            structure = None if reason else standardize(atoms)
            yield None if structure is None or has_fused_atoms(structure) else structure


def _formula_of(atoms: Atoms) -> Formula:
    return parse_formula(atoms.get_chemical_formula("metal"))
