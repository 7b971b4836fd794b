"""How often a known structure is still itself after relaxation on a model: the ceiling of any search with it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from ase import Atoms

from rm_engine.analysis.comparison import Crystal
from rm_engine.checkpoint import Model, load_model
from rm_engine.evaluation.campaign import Campaign, Result
from rm_engine.evaluation.intervals import Estimate, estimate_mean, estimate_median, estimate_share
from rm_engine.evaluation.provenance import describe_programs, fingerprint_atoms
from rm_engine.evaluation.targets import Target
from rm_engine.kernels.crystals import MappingTolerances
from rm_engine.search import relax_starts
from rm_engine.spec import GenerationSpec, read_fingerprint

_DEFAULT: Final = MappingTolerances(length=0.2, site=0.3, angle=5)
"""The default tolerances of pymatgen: ltol 0.2, stol 0.3, angle_tol 5."""
_N_PER_TASK: Final = 32
"""Structures relaxed together; fixed, so that results do not depend on the number of processes."""


@dataclass(frozen=True, kw_only=True)
class StayRecord:
    """What became of one known structure.

    Attributes:
        target: its name.
        n_atoms: atoms in its cell.
        converged: whether the relaxation converged.
        n_steps: its steps.
        reason: why it was set aside; None where it was not.
        rms: root mean square displacement from where it was, in (volume per atom)^(1/3), at the tolerances of the
            search; None where it is another structure now.
        stays_by_default: whether it matches at pymatgen's default tolerances.
        volume_ratio: its volume over what it was.
        cpu_seconds: its share of the processor time of the relaxation.
    """

    target: str
    n_atoms: int
    converged: bool
    n_steps: int
    reason: str | None
    rms: float | None
    stays_by_default: bool
    volume_ratio: float
    cpu_seconds: float

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The record stored by ``asdict``."""
        return cls(**data)


@dataclass(frozen=True, kw_only=True)
class StayScores:
    """How steady known structures are.

    Attributes:
        stays: share that still match, at the tolerances of the search (ltol 0.3, stol 0.5, angle_tol 10).
        stays_by_default: the same at pymatgen's default tolerances.
        converged: share whose relaxation converged.
        rms: median root mean square displacement of those that stay.
        volume_ratio: median of new over old volume.
        cpu_seconds: processor time for a structure.
    """

    stays: Estimate
    stays_by_default: Estimate
    converged: Estimate
    rms: Estimate
    volume_ratio: Estimate
    cpu_seconds: Estimate


def score_stay(records: Sequence[StayRecord]) -> StayScores:
    """The scores of one model."""
    return StayScores(
        stays=estimate_share([record.rms is not None for record in records]),
        stays_by_default=estimate_share([record.stays_by_default for record in records]),
        converged=estimate_share([record.converged for record in records]),
        rms=estimate_median([record.rms for record in records if record.rms is not None]),
        volume_ratio=estimate_median([record.volume_ratio for record in records if record.reason is None]),
        cpu_seconds=estimate_mean([record.cpu_seconds for record in records]),
    )


@dataclass(frozen=True, kw_only=True)
class StayTask:
    """Structures that relax together on one model."""

    model: Path
    targets: tuple[Target, ...]


@dataclass(frozen=True, kw_only=True)
class StayCampaign(Campaign[StayTask]):
    """Relaxes known structures from where they are, by the protocol of the search.

    Attributes:
        targets: the structures.
        models: paths of the JSON halves of checkpoints.
        max_steps: most relaxation steps of free cell.
    """

    targets: tuple[Target, ...]
    models: tuple[Path, ...]
    max_steps: int

    @cached_property
    def tasks(self) -> Sequence[StayTask]:
        """Batch by batch, each on every model."""
        batches = [self.targets[k : k + _N_PER_TASK] for k in range(0, len(self.targets), _N_PER_TASK)]
        return [StayTask(model=model, targets=batch) for batch in batches for model in self.models]

    def identify(self, task: StayTask) -> dict[str, Any]:
        """Model, structures, steps and programs."""
        return {
            "model": self._fingerprints[task.model],
            "structures": {target.name: fingerprint_atoms(target.atoms) for target in task.targets},
            "max_steps": self.max_steps,
            "programs": self._programs,
        }

    def prepare(self) -> Callable[[StayTask], Result]:
        """Load the models.

        Raises:
            ModelNotFoundError, CheckpointError: a model cannot be had.
        """
        models = {path: load_model(path) for path in self.models}
        return lambda task: {
            "model": self._fingerprints[task.model],
            "records": [asdict(record) for record in relax_known(models[task.model], task.targets, self.max_steps)],
        }

    @cached_property
    def _fingerprints(self) -> dict[Path, str]:
        return {model: read_fingerprint(model) for model in self.models}

    @cached_property
    def _programs(self) -> dict[str, str]:
        return describe_programs()


def relax_known(model: Model, targets: Sequence[Target], max_steps: int) -> list[StayRecord]:
    """Relax known structures and compare each with what it was; those of unknown elements are set aside."""
    learned = [target for target in targets if set(target.atoms.get_chemical_symbols()) <= set(model.card.elements)]
    started = time.process_time()
    relaxed = {target.name: row for target, row in zip(learned, _relax(model, learned, max_steps), strict=True)}
    seconds = (time.process_time() - started) / max(1, len(learned))
    return [_compare(target, relaxed.get(target.name), seconds) for target in targets]


@dataclass(frozen=True)
class _Relaxed:
    atoms: Atoms
    converged: bool
    n_steps: int
    reason: str | None


def _relax(model: Model, targets: Sequence[Target], max_steps: int) -> Iterator[_Relaxed]:
    if not targets:
        return
    spec = GenerationSpec(composition=targets[0].formula, model=model.card.name, max_steps=max_steps)
    relaxed = relax_starts(model, spec, [target.atoms for target in targets])
    columns = (relaxed.structures.to_atoms(), relaxed.converged.tolist(), relaxed.n_steps.tolist(), relaxed.reasons)
    for row in zip(*columns, strict=True):
        yield _Relaxed(*row)


def _compare(target: Target, relaxed: _Relaxed | None, seconds: float) -> StayRecord:
    if relaxed is None:
        relaxed, seconds = _Relaxed(target.atoms, False, 0, "the model has not learned its elements"), 0.0
    rms, by_default = None, False
    if relaxed.reason is None:
        before, after = Crystal(target.atoms), Crystal(relaxed.atoms)
        found = float(after.find_rms([before])[0])
        rms = found if math.isfinite(found) else None
        by_default = after.fits(before, _DEFAULT)
    return StayRecord(
        target=target.name,
        n_atoms=len(target.atoms),
        converged=relaxed.converged,
        n_steps=relaxed.n_steps,
        reason=relaxed.reason,
        rms=rms,
        stays_by_default=by_default,
        volume_ratio=float(relaxed.atoms.get_volume() / target.atoms.get_volume()),
        cpu_seconds=seconds,
    )
