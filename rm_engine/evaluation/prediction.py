"""Crystal structure prediction as it is commonly measured: find a known structure from the formula of its cell."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

from rm_engine.analysis import Matcher
from rm_engine.checkpoint import load_model
from rm_engine.errors import InputError
from rm_engine.evaluation.campaign import Campaign, Result
from rm_engine.evaluation.provenance import describe_programs, fingerprint_atoms, fingerprint_model
from rm_engine.evaluation.search_records import SampleRecord, SearchRecord
from rm_engine.evaluation.targets import Target
from rm_engine.search import GeneratedStructure, GenerationResult, generate_samples
from rm_engine.spec import GenerationSpec, parse_formula

_UNKNOWN: Final = "element_not_in_model"


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """One of the things compared: a model and what its searches start from.

    Attributes:
        label: what tables call it.
        model: path of the JSON half of the checkpoint.
    """

    label: str
    model: Path


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
    """

    targets: tuple[Target, ...]
    configurations: tuple[Configuration, ...]
    n_samples: int
    seeds: tuple[int, ...]
    max_steps: int

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
        return {
            "configuration": task.configuration.label,
            "model": self._fingerprints[task.configuration.model],
            "target": task.target.name,
            "structure": fingerprint_atoms(task.target.atoms),
            "polymorphs": [name for name, _ in task.target.polymorphs],
            "seed": task.seed,
            "n_samples": self.n_samples,
            "max_steps": self.max_steps,
            "programs": self._programs,
        }

    def prepare(self) -> Callable[[SearchTask], Result]:
        """Load the models.

        Raises:
            ModelNotFoundError, CheckpointError: a model cannot be had.
        """
        models = {configuration.model: load_model(configuration.model) for configuration in self.configurations}

        def search(task: SearchTask) -> Result:
            model, target = models[task.configuration.model], task.target
            spec = GenerationSpec(
                composition=target.formula,
                n=self.n_samples,
                formula_units=(1,),
                model=model.card.name,
                seed=task.seed,
                max_steps=self.max_steps,
            )
            started, reason = time.process_time(), None
            try:
                result = generate_samples(model, spec, range(spec.n))
            except InputError as error:
                if error.code != _UNKNOWN:
                    raise
                result, reason = GenerationResult([], []), error.reason
            return SearchRecord(
                configuration=task.configuration.label,
                target=target.name,
                label=target.label,
                reduced_formula=parse_formula(target.formula).reduced,
                n_atoms=len(target.atoms),
                polymorphs=tuple(name for name, _ in target.polymorphs),
                seed=task.seed,
                n_samples=spec.n,
                cpu_seconds=time.process_time() - started,
                samples=_compare(target, result.structures),
                reason=reason,
            ).to_json()

        return search

    @cached_property
    def _fingerprints(self) -> dict[Path, str]:
        return {configuration.model: fingerprint_model(configuration.model) for configuration in self.configurations}

    @cached_property
    def _programs(self) -> dict[str, str]:
        return describe_programs()


def _compare(target: Target, structures: Sequence[GeneratedStructure]) -> tuple[SampleRecord, ...]:
    """What became of every sample, and which known structures it is."""
    matcher = Matcher([(target.name, target.atoms), *target.polymorphs])
    return tuple(
        SampleRecord(
            sample=item.sample,
            start="random",
            pseudo_energy_per_atom=item.pseudo_energy_per_atom,
            converged=item.converged,
            n_steps=item.n_steps,
            matches={match.key: match.rms for match in matcher.find_matches(item.atoms)},
        )
        for item in structures
    )
