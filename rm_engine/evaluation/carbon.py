"""Carbon at many volumes: what one training structure of diamond makes of atoms strewn at random."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch

from rm_engine.analysis import CarbonForm, find_carbon_form
from rm_engine.checkpoint import Model
from rm_engine.errors import SearchError
from rm_engine.relax import RelaxationConfig, relax
from rm_engine.search import Starts
from rm_engine.spec import GenerationSpec, StartMix
from rm_engine.structure import StructureBatch

SIZES: Final = (2, 4, 6, 8, 12)
"""Atoms in a cell."""
VOLUMES: Final = tuple(np.linspace(3.8, 5.6, 100).round(4).tolist())
"""Å³ per atom, kept while atoms and the shape of the cell relax."""
_MIN_DISTANCE: Final = 0.7
_RELAXATION: Final = RelaxationConfig(fmax=0.0005, max_steps=4000, cell="fixed_volume")
_AT_ONCE: Final = 160
"""Starts relaxed together."""
_RUNS: Final = len(SIZES) * len(VOLUMES)


@dataclass(frozen=True)
class CarbonPoint:
    """A relaxed structure.

    Attributes:
        n_atoms: in the cell.
        volume_per_atom: Å³.
        pseudo_energy_per_atom: pseudo units.
        form: what it is.
    """

    n_atoms: int
    volume_per_atom: float
    pseudo_energy_per_atom: float
    form: CarbonForm


@dataclass(frozen=True)
class CarbonSurvey:
    """What a survey found.

    Attributes:
        points: the structures that converged.
        n_starts: how many were tried.
        failures: how often, by the reason, a start gave no structure.
    """

    points: Sequence[CarbonPoint]
    n_starts: int
    failures: dict[str, int]

    @cached_property
    def counts(self) -> dict[CarbonForm, int]:
        """Structures of every form."""
        return {form: sum(point.form is form for point in self.points) for form in CarbonForm}

    @cached_property
    def lowest(self) -> dict[CarbonForm, CarbonPoint]:
        """The lowest structure of every form that was found, lowest first."""
        ranked = sorted(self.points, key=lambda point: -point.pseudo_energy_per_atom)
        lowest = {point.form: point for point in ranked}
        return dict(sorted(lowest.items(), key=lambda item: item[1].pseudo_energy_per_atom))

    @cached_property
    def lowest_by_volume(self) -> dict[float, CarbonPoint]:
        """The lowest structure at every volume at which any was found."""
        ranked = sorted(self.points, key=lambda point: -point.pseudo_energy_per_atom)
        return dict(sorted({point.volume_per_atom: point for point in ranked}.items()))


def survey_carbon(
    model: Model, n: int, *, seed: int = 0, on_progress: Callable[[int], None] | None = None
) -> CarbonSurvey:
    """Relax random starts of 2 to 12 atoms at fixed volumes of 3.8 to 5.6 Å³ per atom (the paper's protocol).

    Start k takes the k-th pair of size and volume of a grid of 500, again and again; atoms are 0.7 Å apart or more,
    also from their images. Starts that do not converge to 0.0005, or fail, are counted and left out.

    Args:
        model: a model that knows carbon.
        n: number of starts; 4,000 are those of the paper.
        seed: start k is drawn from (seed, k).
        on_progress: called with the number of starts done.

    Raises:
        InputError: the model does not know carbon.
    """
    points: list[CarbonPoint] = []
    failures: Counter[str] = Counter()
    n_done = 0
    for size in SIZES:
        samples = [k for k in range(n) if SIZES[k % len(SIZES)] == size]
        for first in range(0, len(samples), _AT_ONCE):
            group = samples[first : first + _AT_ONCE]
            points += _relax_group(model, group, seed, failures)
            n_done += len(group)
            if on_progress is not None:
                on_progress(n_done)
    return CarbonSurvey(points, n, dict(failures))


def _relax_group(model: Model, samples: Sequence[int], seed: int, failures: Counter[str]) -> list[CarbonPoint]:
    starts, volumes = [], []
    for sample in samples:
        spec = specify_start(sample, model.card.name, seed)
        spec.check_against(model.card)
        try:
            starts.append(Starts(spec, model.card).draw(sample).atoms)
            volumes.append(VOLUMES[sample % _RUNS // len(SIZES)])
        except SearchError:
            failures["no room"] += 1
    batch = StructureBatch.from_atoms(starts, dtype=torch.float32, device=model.device)
    relaxed = relax(model.potential, batch, _RELAXATION)
    points = []
    for atoms, volume, energy, converged, reason in zip(
        relaxed.structures.to_atoms(),
        volumes,
        relaxed.energies.tolist(),
        relaxed.converged.tolist(),
        relaxed.reasons,
        strict=True,
    ):
        if converged:
            points.append(CarbonPoint(len(atoms), volume, energy / len(atoms), find_carbon_form(atoms)))
        else:
            failures[reason or "did not converge"] += 1
    return points


def specify_start(sample: int, model: str, seed: int) -> GenerationSpec:
    """The run that start ``sample`` belongs to: its size and volume follow from its number."""
    size, volume = SIZES[sample % len(SIZES)], VOLUMES[sample % _RUNS // len(SIZES)]
    return GenerationSpec(
        composition="C",
        formula_units=(size,),
        volume_per_atom=(volume, volume),
        min_distance=_MIN_DISTANCE,
        starts=StartMix(random=1),
        model=model,
        seed=seed,
    )
