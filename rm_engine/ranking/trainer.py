"""Training of the potential that estimates formation energies, and tells known structures from false minima."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import huber_loss, softplus

from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import CACE, estimate_energies
from rm_engine.ranking.data import Part, RankingData
from rm_engine.response import shake
from rm_engine.spec import RankingSpec
from rm_engine.structure import StructureBatch
from rm_engine.training.descent import Descent, OnStep, make_potential, seeded_generator

_ORDER, _NOISE = 3, 4
"""Streams of randomness; 0 to 2 are those of :mod:`rm_engine.training.trainer`."""


@dataclass(frozen=True)
class RankingRecord:
    """Scores of one epoch; None where there is nothing to score.

    Attributes:
        epoch: epochs done, from 1.
        learning_rate: at the end of the epoch.
        loss: mean training loss.
        validation_mae: mean absolute error of the formation energies of held-out known structures, eV/atom.
        validation_lowest: fraction of held-out compositions whose lowest candidate is a known structure, of those for
            which a search found both.
    """

    epoch: int
    learning_rate: float
    loss: float
    validation_mae: float | None
    validation_lowest: float | None


class RankingTrainer(Descent[RankingSpec, RankingRecord]):
    """A training on formation energies and on the order of candidates.

    The loss is the Huber error of the formation energy of known structures, as they are and as searches found them
    again, plus for every false minimum softplus((E_known - E_false + margin) / scale), where E_known is the mean over
    the known structure and its finds.

    Args:
        spec: the run.
        training: what is learned from.
        validation: what is scored.
        device: where to train.
        initial: weights to begin with; random ones without.
    """

    record_type = RankingRecord

    def __init__(
        self,
        spec: RankingSpec,
        training: RankingData,
        validation: RankingData,
        device: torch.device | str = "cpu",
        initial: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(spec, make_potential(spec, device, initial))
        self._training = Part(training, device)
        self._validation = Part(validation, device)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch."""
        return math.ceil(self._training.n_known / self.spec.batch_size)

    def run_epoch(self, epoch: int, on_step: OnStep) -> RankingRecord:
        """Every known structure once, with the candidates for its composition, then the held-out ones."""
        part = self._training
        order = np.random.default_rng((self.spec.seed, _ORDER, epoch)).permutation(part.n_known).tolist()
        losses = []
        for first in range(0, part.n_known, self.spec.batch_size):
            rows = part.rows_with(order[first : first + self.spec.batch_size])
            losses.append(self.descend(self._loss(part, rows)))
            on_step(self.n_steps, losses[-1])
        error, lowest = self.validate()
        return RankingRecord(epoch + 1, self.learning_rate(), float(np.mean(losses)), error, lowest)

    def _loss(self, part: Part, rows: Tensor) -> Tensor:
        spec = self.spec
        batch = shake(part.structures.take(rows), spec.noise, seeded_generator(spec.seed, _NOISE, self.n_steps)).batch
        energies = _energies_per_atom(self.potential, batch)
        labels, is_known = part.labels[rows], part.is_known[rows]
        labelled = ~labels.isnan()
        error = huber_loss(energies[labelled], labels[labelled], delta=spec.huber) / spec.huber
        if is_known.all():
            return error
        _, target = torch.unique(part.targets[rows], return_inverse=True)
        sums = energies.new_zeros(int(target.max()) + 1, 2)
        sums = sums.index_add(0, target[is_known], torch.stack([energies, torch.ones_like(energies)], dim=1)[is_known])
        known = (sums[:, 0] / sums[:, 1])[target[~is_known]]
        contrast = softplus((known - energies[~is_known] + spec.margin) / spec.scale).mean() * spec.scale
        return error + spec.contrast_weight * contrast / spec.huber

    def validate(self) -> tuple[float | None, float | None]:
        """Error of the formation energies and fraction of compositions ranked right, by the averaged weights."""
        part = self._validation
        if not part.n_known:
            return None, None
        rows = torch.arange(len(part.structures))
        with torch.no_grad():
            batches = (part.structures.take(some) for some in torch.split(rows, 256))
            energies = torch.cat([_energies_per_atom(self.average, batch) for batch in batches])
        errors = (energies - part.labels)[: part.n_known].abs()
        outcomes = []
        for found in part.candidates_of.values():
            is_known = part.is_known[found]
            if is_known.any() and not is_known.all():
                outcomes.append(bool(is_known[energies[found].argmin()]))
        error = float(errors.nanmean()) if not bool(errors.isnan().all()) else None
        return error, float(np.mean(outcomes)) if outcomes else None


def _energies_per_atom(potential: CACE, batch: StructureBatch) -> Tensor:
    neighbors = build_neighbor_list(batch, potential.config.cutoff)
    return estimate_energies(potential, batch, neighbors) / batch.sizes
