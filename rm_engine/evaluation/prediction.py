"""Crystal structure prediction as it is commonly measured: find a known structure from the formula of its cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from rm_engine.analysis import Matcher
from rm_engine.checkpoint import Model, load_model
from rm_engine.errors import InputError
from rm_engine.evaluation.campaign import Campaign, Result
from rm_engine.evaluation.provenance import describe_programs, fingerprint_atoms, fingerprint_file
from rm_engine.evaluation.references import References
from rm_engine.evaluation.search_records import SampleRecord, SearchRecord
from rm_engine.evaluation.targets import Target
from rm_engine.files import read_structures
from rm_engine.search import GeneratedStructure, GenerationResult, generate_samples
from rm_engine.spec import GenerationSpec, StartMix, parse_formula, read_fingerprint

_UNKNOWN: Final = "element_not_in_model"
_RMS_DIGITS: Final = 6
"""Beyond these an alignment is noise, and not the same in every process."""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One of the things compared: a model and what its searches start from.

    Attributes:
        label: what tables call it.
        model: path of the JSON half of the checkpoint.
        starts: shares of the kinds of start; None takes the usual mix.
        is_blind: whether searches know of no references, as in an empty database, whatever the mix.
    """

    label: str
    model: Path
    starts: StartMix | None = None
    is_blind: bool = False


@dataclass(frozen=True, kw_only=True)
class SearchTask:
    """One search of one configuration."""

    configuration: Configuration
    target: Target
    seed: int


@dataclass(frozen=True, kw_only=True)
class PredictionCampaign(Campaign[SearchTask]):
    """Searches for known structures, in cells of the known size.

    Attributes:
        targets: what is looked for.
        configurations: what is compared.
        n_samples: samples of a search.
        seeds: each target is searched for with each of them.
        max_steps: most relaxation steps for a structure.
        references: file or folder of the known structures that searches may start from; those that are the target or
            match it are kept from its searches.
    """

    targets: tuple[Target, ...]
    configurations: tuple[Configuration, ...]
    n_samples: int
    seeds: tuple[int, ...]
    max_steps: int
    references: Path | None = None

    @cached_property
    def tasks(self) -> Sequence[SearchTask]:
        """Target by target, so that what is compared can be compared at any time."""
        return [
            SearchTask(configuration=configuration, target=target, seed=seed)
            for target in self.targets
            for seed in self.seeds
            for configuration in self.configurations
        ]

    def identify(self, task: SearchTask) -> dict[str, Any]:
        """Model, starts, target and what it is compared with, numbers and programs."""
        starts = task.configuration.starts
        return {
            "configuration": task.configuration.label,
            "model": self._fingerprints[task.configuration.model],
            "starts": starts and asdict(starts),
            "is_blind": task.configuration.is_blind,
            "target": task.target.name,
            "structure": fingerprint_atoms(task.target.atoms),
            "polymorphs": [name for name, _ in task.target.polymorphs],
            "seed": task.seed,
            "n_samples": self.n_samples,
            "max_steps": self.max_steps,
            **self._surroundings,
        }

    def prepare(self) -> Callable[[SearchTask], Result]:
        """Load models and references.

        Raises:
            ModelNotFoundError, CheckpointError: a model cannot be had.
            FileFormatError: the references do not parse.
        """
        stored = read_structures(self.references) if self.references else ()
        return _Searcher(
            models={configuration.model: load_model(configuration.model) for configuration in self.configurations},
            references=References((item.name, item.atoms) for item in stored),
            n_samples=self.n_samples,
            max_steps=self.max_steps,
        ).search

    @cached_property
    def _fingerprints(self) -> dict[Path, str]:
        return {configuration.model: read_fingerprint(configuration.model) for configuration in self.configurations}

    @cached_property
    def _surroundings(self) -> dict[str, Any]:
        references = fingerprint_file(self.references) if self.references else None
        return {"references": references, "programs": describe_programs()}


@dataclass(frozen=True, kw_only=True)
class _Searcher:
    """What one process has loaded."""

    models: Mapping[Path, Model]
    references: References
    n_samples: int
    max_steps: int

    def search(self, task: SearchTask) -> Result:
        """Search for one target and compare what is found."""
        target = task.target
        references, n_left_out = ((), 0) if task.configuration.is_blind else self.references.choose(target)
        started = time.process_time()
        found, reason = self._generate(task, references)
        return SearchRecord(
            configuration=task.configuration.label,
            target=target.name,
            label=target.label,
            reduced_formula=parse_formula(target.formula).reduced,
            n_atoms=len(target.atoms),
            polymorphs=tuple(name for name, _ in target.polymorphs),
            seed=task.seed,
            n_samples=self.n_samples,
            n_references_left_out=n_left_out,
            cpu_seconds=time.process_time() - started,
            samples=_compare(target, found.structures),
            reason=reason,
        ).to_json()

    def _generate(self, task: SearchTask, references: Sequence[tuple[str, Any]]) -> tuple[GenerationResult, str | None]:
        """What the model proposes, or nothing and the reason where it has not learned the elements."""
        model = self.models[task.configuration.model]
        spec = GenerationSpec(
            composition=task.target.formula,
            n=self.n_samples,
            formula_units=(1,),
            starts=task.configuration.starts,
            model=model.card.name,
            seed=task.seed,
            max_steps=self.max_steps,
        )
        try:
            return generate_samples(model, spec, range(spec.n), references=references), None
        except InputError as error:
            if error.code != _UNKNOWN:
                raise
            return GenerationResult([], []), error.reason


def _compare(target: Target, structures: Sequence[GeneratedStructure]) -> tuple[SampleRecord, ...]:
    """What became of every sample, and which known structures it is."""
    matcher = Matcher([(target.name, target.atoms), *target.polymorphs])
    return tuple(
        SampleRecord(
            sample=item.sample,
            start=item.start,
            start_origin=item.start_origin,
            pseudo_energy_per_atom=item.pseudo_energy_per_atom,
            formation_energy_per_atom=item.formation_energy_per_atom,
            converged=item.converged,
            n_steps=item.n_steps,
            matches={match.key: round(match.rms, _RMS_DIGITS) for match in matcher.find_matches(item.atoms)},
        )
        for item in structures
    )
