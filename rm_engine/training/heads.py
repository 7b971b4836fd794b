"""Training of heads: potentials that estimate a property of crystals from labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from ase import Atoms
from torch import Tensor
from torch.nn.functional import huber_loss

from rm_engine.checkpoint import Model, load_model, save_model
from rm_engine.errors import InputError
from rm_engine.files import read_structures
from rm_engine.neighbors import build_neighbor_list
from rm_engine.potential import CACE, estimate_energies
from rm_engine.response import shake
from rm_engine.spec import PROPERTIES, HeadSpec, ModelCard
from rm_engine.structure import StructureBatch
from rm_engine.training.dataset import TrainingSet
from rm_engine.training.descent import Descent, OnStep, make_potential, seeded_generator
from rm_engine.training.elements import regress_volumes
from rm_engine.training.recipes import MP20_SOURCE, RANKING_POTENTIAL, find_mp20, find_part
from rm_engine.training.record import summarize_curves, summarize_data
from rm_engine.training.run import TrainingWatch, run_in_folder

_ORDER, _NOISE = 5, 6
"""Streams of randomness; 0 to 4 are those of other trainings."""

_SCORED_TOGETHER: Final = 256


@dataclass(frozen=True)
class Labelled:
    """Crystals with a value each (n_structures)."""

    structures: Sequence[Atoms]
    values: Sequence[float]


@dataclass(frozen=True)
class HeadPlan:
    """How a head is made.

    Attributes:
        base: name of the model with whose second potential's weights the training begins: features that know formation
            energies need fewer labels.
        key: of the values in the data.
        spec: the training.
        source: what the data are, for the card.
    """

    base: str
    key: str
    spec: HeadSpec
    source: str


HEAD_RECIPES: Final = {
    "band-gap": HeadPlan(
        base="mp20-plus",
        key="band_gap",
        spec=HeadSpec(
            name="band_gap",
            property="band_gap",
            potential=RANKING_POTENTIAL,
            n_epochs=40,
            batch_size=64,
            learning_rate=2e-3,
            gradient_norm=1.0,
        ),
        source=MP20_SOURCE,
    ),
}


@dataclass(frozen=True)
class HeadRecord:
    """Scores of one epoch; None where there is nothing to score.

    Attributes:
        epoch: epochs done, from 1.
        learning_rate: at the end of the epoch.
        loss: mean training loss.
        validation_mae: mean absolute error on held-out crystals, in the property's unit.
    """

    epoch: int
    learning_rate: float
    loss: float
    validation_mae: float | None


class HeadTrainer(Descent[HeadSpec, HeadRecord]):
    """A training on a property of crystals; the loss is the Huber error of the mean over the atoms.

    A value at the lower bound of the property, such as the gap of a metal, says no more than that the estimate should
    not lie above it.

    Args:
        spec: the run.
        training: what is learned from.
        validation: what is scored.
        device: where to train.
        initial: a potential of the same architecture, with whose weights the training begins.
    """

    record_type = HeadRecord

    def __init__(
        self,
        spec: HeadSpec,
        training: Labelled,
        validation: Labelled,
        device: torch.device | str = "cpu",
        initial: CACE | None = None,
    ) -> None:
        super().__init__(spec, make_potential(spec, device, None if initial is None else initial.state_dict()))
        self._lowest = PROPERTIES[spec.property].lowest
        (self._training, self._values), (self._validation, self._known) = (
            (
                TrainingSet.from_atoms(part.structures, smallest_cell=1, device=device),
                torch.tensor(part.values, device=device),
            )
            for part in (training, validation)
        )

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch."""
        return math.ceil(len(self._training) / self.spec.batch_size)

    def run_epoch(self, epoch: int, on_step: OnStep) -> HeadRecord:
        """Every crystal once, then the held-out ones."""
        order = np.random.default_rng((self.spec.seed, _ORDER, epoch)).permutation(len(self._training))
        losses = []
        for rows in torch.split(torch.from_numpy(order), self.spec.batch_size):
            losses.append(self.descend(self._loss(rows)))
            on_step(self.n_steps, losses[-1])
        return HeadRecord(epoch + 1, self.learning_rate(), float(np.mean(losses)), self.validate())

    def _loss(self, rows: Tensor) -> Tensor:
        spec, values = self.spec, self._values[rows]
        batch = shake(self._training.take(rows), spec.noise, seeded_generator(spec.seed, _NOISE, self.n_steps)).batch
        estimates = _estimate(self.potential, batch)
        estimates = torch.where(values > self._lowest, estimates, estimates.clamp(min=self._lowest))
        return huber_loss(estimates, values, delta=spec.huber) / spec.huber

    def validate(self) -> float | None:
        """Mean absolute error of the averaged weights."""
        if not len(self._validation):
            return None
        with torch.no_grad():
            parts = torch.split(torch.arange(len(self._validation)), _SCORED_TOGETHER)
            estimates = torch.cat([_estimate(self.average, self._validation.take(rows)) for rows in parts])
        return float((estimates.clamp(min=self._lowest) - self._known).abs().mean())


def _estimate(potential: CACE, batch: StructureBatch) -> Tensor:
    neighbors = build_neighbor_list(batch, potential.config.cutoff)
    return estimate_energies(potential, batch, neighbors) / batch.sizes


def load_labelled(path: Path | None, key: str) -> tuple[Labelled, Labelled]:
    """Crystals with a value under a key: to learn from and, where the folder has such a part, to be scored on.

    Raises:
        InputError: no path was given, or it holds no such values.
        FileFormatError: it holds something that cannot be read.
    """
    training = _read_labelled(find_mp20(path), key)
    if path is None or not training.structures:
        reason = f"no crystal has a value under the key {key!r}"
        raise InputError("data_required", "data", path, reason, "Give --data FOLDER with the MP-20 files.")
    validation = find_part(path, "val")
    return training, _read_labelled(validation, key) if validation else Labelled((), ())


def _read_labelled(path: Path, key: str) -> Labelled:
    found = [(stored.atoms, float(stored.info.get(key, math.nan))) for stored in read_structures(path)]
    kept = [(atoms, value) for atoms, value in found if math.isfinite(value) and atoms.pbc.all()]
    return Labelled([atoms for atoms, _ in kept], [value for _, value in kept])


def train_head(
    plan: HeadPlan,
    training: Labelled,
    validation: Labelled,
    folder: Path,
    *,
    device: torch.device | str = "cpu",
    watch: TrainingWatch | None = None,
) -> Model:
    """Train a head, or go on where an earlier run in the same folder was stopped; at the end the folder holds its
    checkpoint.

    Raises:
        InputError: the base has no second potential of the same architecture.
        CheckpointError: the folder holds a run with other settings.
        TrainingDivergedError: see :func:`rm_engine.training.train`.
    """
    initial = load_model(plan.base, device=device).formation
    if initial is None or initial.config != plan.spec.potential:
        reason = "it has no second potential of the architecture of the head"
        raise InputError("unsuitable_base", "base", plan.base, reason, "Begin with another model.")
    trainer = HeadTrainer(plan.spec, training, validation, device, initial)
    run_in_folder(trainer, folder, watch or TrainingWatch())
    record = {
        "source": plan.source,
        "base": plan.base,
        "spec": {key: value for key, value in asdict(plan.spec).items() if key != "potential"},
        "n_steps": trainer.n_steps,
        "scores": asdict(trainer.records[-1]),
        "data": summarize_data(training.structures, validation.structures),
        "curves": summarize_curves(trainer.records),
    }
    card = ModelCard(
        name=plan.spec.name,
        potential=plan.spec.potential,
        volumes=regress_volumes(training.structures),
        reference_energies={},
        training=record,
    )
    potential = trainer.average.eval().requires_grad_(False)
    head = Model(card, potential, next(potential.parameters()).device)
    save_model(head, folder)
    return head
