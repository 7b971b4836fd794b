"""Models of one's own: from a handful of structures, or from a model that knows the field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import torch
from ase import Atoms

from rm_engine.checkpoint import Model, save_model
from rm_engine.spec import ModelSpec, NoiseSpec, PotentialConfig, TrainingSpec
from rm_engine.spec.model import SMALLEST_CELL, check_base, find_boundary
from rm_engine.training.elements import find_end_members
from rm_engine.training.recipes import RECIPES, TrainingData
from rm_engine.training.record import summarize_data
from rm_engine.training.run import TrainingWatch, train
from rm_engine.training.screening import screen_data

_ENOUGH: Final = 40
"""Structures from which on some are held out whole; of fewer, all are learned from, and scored under other noise."""
_N_SCORED: Final = 8
_ATOMS_A_BATCH: Final = 256
_BATCH: Final = (4, 32)
_GENTLE_RATE: Final = 1e-3
"""Learning rate of fine-tuning: a sixth of the usual, so that what was known before is not unlearned at once."""


def train_own(
    spec: ModelSpec,
    structures: Sequence[Atoms],
    folder: Path,
    *,
    base: Model | None = None,
    source: str = "",
    device: torch.device | str = "cpu",
    watch: TrainingWatch | None = None,
) -> Model:
    """Train a model from a user's structures, or go on where an earlier run in the same folder was stopped.

    Args:
        spec: what is asked for.
        structures: at rest, all crystals or all molecules.
        folder: where state, log and model go, see :func:`rm_engine.training.train`.
        base: the model named by ``spec.base``.
        source: what the structures are, for the card.
        device: where to train.
        watch: who is told of progress.

    Raises:
        InputError: crystals and molecules together, structures that cannot be learned from, or a base that does not
            know their elements or kind.
        CheckpointError: the folder holds a run with other settings.
        TrainingDivergedError: the folder keeps the last good state.
    """
    plan = plan_training(spec, structures, base)
    screen_data(TrainingData(structures), plan.potential.elements, skip_bad=False)
    many = len(structures) >= _ENOUGH
    scored = () if many else [*structures] * math.ceil(_N_SCORED / len(structures))
    data = TrainingData([*structures] * spec.repeats, scored)
    model = train(plan, data, folder, source=source, device=device, watch=watch, base=base)
    record = {
        **model.card.training,
        "n_structures": len(structures),
        "data": summarize_data(structures, scored),
        "base": spec.base,
        "boundary": find_boundary(atoms.pbc.tolist() for atoms in structures),
    }
    model = replace(model, card=replace(model.card, training=record))
    if base is not None and base.formation is not None:
        model = _keep_ranking(model, base, structures)
    save_model(model, folder)
    return model


def plan_training(spec: ModelSpec, structures: Sequence[Atoms], base: Model | None) -> TrainingSpec:
    """The training that a user's few words come to.

    Raises:
        InputError: see :func:`train_own`.
    """
    boundary = find_boundary(atoms.pbc.tolist() for atoms in structures)
    is_crystal = boundary == "crystal"
    noise = replace(NoiseSpec(), smallest_cell=SMALLEST_CELL) if is_crystal else RECIPES["qm7b"].spec.noise
    elements = sorted({number for atoms in structures for number in atoms.numbers.tolist()})
    mean_size = sum(max(len(atoms), SMALLEST_CELL if is_crystal else 1) for atoms in structures) / len(structures)
    low, high = _BATCH
    plan = TrainingSpec(
        name=spec.name,
        potential=_small_potential(elements) if base is None else base.card.potential,
        n_epochs=spec.n_epochs,
        batch_size=min(high, max(low, round(_ATOMS_A_BATCH / mean_size))),
        seed=spec.seed,
        noise=noise,
        validation_fraction=TrainingSpec.validation_fraction if len(structures) >= _ENOUGH else 0.0,
    )
    if base is None:
        return plan
    check_base(base.card, elements, boundary)
    return replace(plan, learning_rate=_GENTLE_RATE)


def _small_potential(elements: Sequence[int]) -> PotentialConfig:
    """The architecture of the paper's small models, with an embedding no longer than the elements need."""
    known = RECIPES["diamond"].spec.potential
    return replace(known, elements=tuple(elements), n_embedding=min(3, len(elements)))


def _keep_ranking(model: Model, base: Model, structures: Sequence[Atoms]) -> Model:
    """The model with its base's estimate of formation energies, and the end members that go with it."""
    ranked = replace(model, formation=base.formation, card=replace(model.card, formation=base.card.formation))
    card = replace(ranked.card, reference_energies=find_end_members(ranked, structures))
    return replace(ranked, card=card)
