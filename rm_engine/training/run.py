"""A training run in a folder: its state, its log, and the model that comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from rm_engine.checkpoint import Model, replace_file, save_model
from rm_engine.spec import ModelCard, TrainingSpec
from rm_engine.training.descent import Descent
from rm_engine.training.elements import find_end_members, regress_volumes
from rm_engine.training.recipes import TrainingData
from rm_engine.training.record import summarize_curves, summarize_data
from rm_engine.training.screening import BadStructure, screen_data
from rm_engine.training.state import load_state, save_state
from rm_engine.training.trainer import EpochRecord, Trainer

STATE_FILE = "state.safetensors"
LOG_FILE = "log.jsonl"


@dataclass(frozen=True)
class TrainingWatch:
    """Who is told of progress.

    Attributes:
        on_start: called once with the steps done before and the steps of the whole run.
        on_step: called after every step with the steps done and the loss.
        on_epoch: called after every epoch, once its state is on disk.
        on_skip: called for every structure that is left out of the data.
        on_search: called with the searches done and their number, where a training begins with searches.
    """

    on_start: Callable[[int, int], None] = lambda _done, _total: None
    on_step: Callable[[int, float], None] = lambda _done, _loss: None
    on_epoch: Callable[[Any], None] = lambda _record: None
    on_skip: Callable[[BadStructure], None] = lambda _structure: None
    on_search: Callable[[int, int], None] = lambda _done, _total: None


def train(
    spec: TrainingSpec,
    data: TrainingData,
    folder: Path,
    *,
    source: str,
    device: torch.device | str = "cpu",
    watch: TrainingWatch | None = None,
    skip_bad: bool = False,
    base: Model | None = None,
) -> Model:
    """Train a model, or go on where an earlier run in the same folder was stopped.

    After every epoch the folder holds the state of the run and its log (JSON lines, one an epoch); at the end the
    model's checkpoint.

    Args:
        spec: the run.
        data: structures at equilibrium.
        folder: made where it is missing.
        source: what the data are, for the card.
        device: where to train.
        watch: who is told of progress.
        skip_bad: leave structures out that cannot be learned from, instead of refusing the data.
        base: a model of the same architecture, whose weights the training begins with.

    Raises:
        InputError: no structures, or some that cannot be learned from (see :func:`screen_data`).
        CheckpointError: the folder holds a run with other settings.
        TrainingDivergedError: the loss is not finite or far off for many steps; the folder keeps the last good state.
    """
    watch = watch or TrainingWatch()
    usable, bad = screen_data(data, spec.potential.elements, skip_bad=skip_bad)
    for structure in bad:
        watch.on_skip(structure)
    training, validation = split_data(spec, usable)
    trainer = Trainer(spec, training, validation, device, None if base is None else base.potential.state_dict())
    run_in_folder(trainer, folder, watch)
    model = finish(trainer, training, source, {**summarize_data(training, validation), "n_skipped": len(bad)})
    save_model(model, folder)
    return model


def run_in_folder(descent: Descent[Any, Any], folder: Path, watch: TrainingWatch) -> None:
    """Train to the end, from wherever the state in the folder stands, with state and log written after every epoch.

    Raises:
        CheckpointError: the folder holds a run with other settings.
        TrainingDivergedError: the folder keeps the last good state.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = folder / STATE_FILE
    if state.exists():
        load_state(descent, state)
    watch.on_start(descent.n_steps, descent.spec.n_epochs * descent.steps_per_epoch)
    for record in descent.run(watch.on_step):
        if descent.guard.is_calm:
            save_state(descent, state)
        log = "".join(json.dumps(asdict(past)) + "\n" for past in descent.records)
        replace_file(folder / LOG_FILE, log.encode())
        watch.on_epoch(record)


def read_log(folder: Path) -> list[EpochRecord]:
    """The scores of every epoch of the run in a folder."""
    lines = (folder / LOG_FILE).read_text(encoding="utf-8").splitlines()
    return [EpochRecord(**json.loads(line)) for line in lines]


def split_data(spec: TrainingSpec, data: TrainingData) -> tuple[list[Atoms], list[Atoms]]:
    """Training and validation structures; without a validation set whole structures are kept out, never noisy copies
    of trained ones.
    """
    if data.validation or spec.validation_fraction == 0:
        return list(data.training), list(data.validation)
    order = np.random.default_rng(spec.seed).permutation(len(data.training))
    n_validation = int(len(order) * spec.validation_fraction)
    structures = [data.training[row] for row in order]
    return structures[n_validation:], structures[:n_validation]


def finish(trainer: Trainer, training: list[Atoms], source: str, data: Mapping[str, Any]) -> Model:
    """The model of the averaged weights, with its card: volumes, reference energies and the record of the training."""
    spec = trainer.spec
    potential = trainer.average.eval().requires_grad_(False)
    record = {
        "source": source,
        "n_structures": len(trainer.training_set),
        "spec": {key: value for key, value in asdict(spec).items() if key != "potential"},
        "n_steps": trainer.n_steps,
        "scores": asdict(trainer.records[-1]),
        "data": dict(data),
        "curves": summarize_curves(trainer.records),
    }
    card = ModelCard(
        name=spec.name,
        potential=spec.potential,
        volumes=regress_volumes(training),
        reference_energies={},
        training=record,
    )
    model = Model(card, potential, next(potential.parameters()).device)
    return replace(model, card=replace(card, reference_energies=find_end_members(model, training)))
