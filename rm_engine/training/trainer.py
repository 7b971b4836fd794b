"""The training loop."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from torch import Tensor

from rm_engine.neighbors import NeighborList, build_neighbor_list
from rm_engine.potential import CACE, evaluate
from rm_engine.response import NoisyBatch, PseudoResponse, respond, shake
from rm_engine.spec import TrainingSpec
from rm_engine.structure import StructureBatch
from rm_engine.training.dataset import TrainingSet
from rm_engine.training.descent import Descent, OnStep, make_potential, seeded_generator

_TRAINING, _ORDER, _VALIDATION = range(3)
"""Streams of randomness; each draw is seeded by (seed, stream, count), so that resuming needs no generator state."""


@dataclass(frozen=True)
class EpochRecord:
    """Scores of one epoch, in pseudo units; None where there is nothing to score.

    Attributes:
        epoch: epochs done, from 1.
        learning_rate: at the end of the epoch.
        loss: mean training loss.
        force_rmse: root mean square force error of training batches, per component.
        stress_rmse: the same for stresses of crystals.
        validation_loss: loss of the averaged weights on held-out structures under noise that stays the same.
        validation_force_rmse: force error there.
        validation_stress_rmse: stress error there.
    """

    epoch: int
    learning_rate: float
    loss: float
    force_rmse: float | None
    stress_rmse: float | None
    validation_loss: float | None
    validation_force_rmse: float | None
    validation_stress_rmse: float | None


@dataclass(frozen=True)
class Example:
    """A shaken batch, its neighbours and the response to learn."""

    noisy: NoisyBatch
    neighbors: NeighborList
    target: PseudoResponse


@dataclass(frozen=True)
class Errors:
    """Sums of squared errors over ``n_forces`` force and ``n_stresses`` stress components."""

    force: Tensor
    stress: Tensor
    n_forces: int
    n_stresses: int

    def loss(self, spec: TrainingSpec) -> Tensor:
        """The loss, eq. 12, with means in place of sums."""
        return spec.force_weight * self.force / max(1, self.n_forces) + spec.stress_weight * self.stress / max(
            1, self.n_stresses
        )


class Trainer(Descent[TrainingSpec, EpochRecord]):
    """A training on the response to noise, from random weights unless others are given."""

    record_type = EpochRecord

    def __init__(
        self,
        spec: TrainingSpec,
        training: Sequence[Atoms],
        validation: Sequence[Atoms],
        device: torch.device | str = "cpu",
        initial: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(spec, make_potential(spec, device, initial))
        self.training_set = TrainingSet.from_atoms(training, smallest_cell=spec.noise.smallest_cell, device=device)
        self.validation_set = TrainingSet.from_atoms(validation, smallest_cell=spec.noise.smallest_cell, device=device)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch."""
        return math.ceil(len(self.training_set) / self.spec.batch_size)

    def run_epoch(self, epoch: int, on_step: OnStep) -> EpochRecord:
        """Every training structure once under fresh noise, then the held-out ones."""
        total = []
        losses = []
        for batch in self.training_set.batches(self.spec.batch_size, (self.spec.seed, _ORDER, epoch)):
            errors, loss = self.step(batch)
            total.append(errors)
            losses.append(loss)
            on_step(self.n_steps, loss)
        force, stress = _root_mean_squares(total)
        held_out = self.validate()
        v_force, v_stress = _root_mean_squares(held_out)
        return EpochRecord(
            epoch=epoch + 1,
            learning_rate=self.learning_rate(),
            loss=float(np.mean(losses)),
            force_rmse=force,
            stress_rmse=stress,
            validation_loss=float(np.mean([float(errors.loss(self.spec)) for errors in held_out]))
            if held_out
            else None,
            validation_force_rmse=v_force,
            validation_stress_rmse=v_stress,
        )

    def step(self, batch: StructureBatch) -> tuple[Errors, float]:
        """One optimiser step on fresh noise; the errors before it, and the loss."""
        example = self.draw(batch, _TRAINING, self.n_steps)
        errors = self.errors_of(self.potential, example, differentiable=True)
        loss = self.descend(errors.loss(self.spec))
        return Errors(errors.force.detach(), errors.stress.detach(), errors.n_forces, errors.n_stresses), loss

    def validate(self) -> list[Errors]:
        """Errors of the averaged weights on the held-out structures, batch by batch, under the same noise each time."""
        batches = (
            self.validation_set.batches(self.spec.batch_size, (self.spec.seed, _ORDER, 0))
            if len(self.validation_set)
            else ()
        )
        return [
            self.errors_of(self.average, self.draw(batch, _VALIDATION, count)) for count, batch in enumerate(batches)
        ]

    def draw(self, batch: StructureBatch, stream: int, count: int) -> Example:
        """Shake a batch with the noise number ``count`` of a stream."""
        noisy = shake(batch, self.spec.noise, seeded_generator(self.spec.seed, stream, count))
        noise = self.spec.noise
        close = build_neighbor_list(noisy.batch, noise.repulsion_cutoff)  # few, and most of the response's work
        target = respond(noisy, close, noise)
        return Example(noisy, build_neighbor_list(noisy.batch, self.spec.potential.cutoff), target)

    def errors_of(self, potential: CACE, example: Example, *, differentiable: bool = False) -> Errors:
        """Squared errors of a potential on an example."""
        batch = example.noisy.batch
        response = evaluate(potential, batch, example.neighbors, bare=True, differentiable=differentiable)
        crystals = batch.is_crystal[:, None, None]
        stress = torch.where(crystals, response.stresses - example.target.stresses, 0.0)
        return Errors(
            force=(response.forces - example.target.forces).square().sum(),
            stress=stress.square().sum(),
            n_forces=3 * batch.n_atoms,
            n_stresses=9 * int(batch.is_crystal.sum()),
        )


def _root_mean_squares(errors: Sequence[Errors]) -> tuple[float | None, float | None]:
    """Force and stress error per component over all batches; None where there was none."""
    force = float(sum(e.force for e in errors)), sum(e.n_forces for e in errors)
    stress = float(sum(e.stress for e in errors)), sum(e.n_stresses for e in errors)
    return tuple(math.sqrt(total / n) if n else None for total, n in (force, stress))  # type: ignore[return-value]
