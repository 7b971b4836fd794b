"""The state of a training run on disk, from which it goes on bit for bit as if it had never stopped."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from rm_engine.checkpoint import copy_parameters, read_tensors, replace_file
from rm_engine.errors import CheckpointError
from rm_engine.training.descent import Descent
from rm_engine.training.divergence import DivergenceGuard

_MOMENTS = ("exp_avg", "exp_avg_sq")


def save_state(trainer: Descent[Any, Any], path: Path) -> None:
    """Write weights, their average, the optimiser's moments and the record; whole or not at all."""
    tensors: dict[str, Tensor] = {}
    for name, parameter in trainer.potential.named_parameters():
        tensors[f"potential/{name}"] = parameter.detach()
        for moment in _MOMENTS:
            if parameter in trainer.optimizer.state:
                tensors[f"{moment}/{name}"] = trainer.optimizer.state[parameter][moment]
    for name, parameter in trainer.average.named_parameters():
        tensors[f"average/{name}"] = parameter.detach()
    metadata = {
        "spec": json.dumps(asdict(trainer.spec)),
        "n_steps": str(trainer.n_steps),
        "records": json.dumps([asdict(record) for record in trainer.records]),
    }
    replace_file(path, save({name: value.cpu().contiguous() for name, value in tensors.items()}, metadata))


def load_state(trainer: Descent[Any, Any], path: Path) -> None:
    """Put a trainer where :func:`save_state` left another of the same specification.

    Raises:
        CheckpointError: the state belongs to a run of another specification.
    """
    tensors = read_tensors(path)
    with safe_open(path, framework="pt") as stream:
        metadata = stream.metadata()
    if json.loads(metadata["spec"]) != json.loads(json.dumps(asdict(trainer.spec))):
        raise CheckpointError(
            f"{path} was written by a run with other settings. Train into another folder, or remove it."
        )

    def part(prefix: str) -> dict[str, Tensor]:
        return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}

    copy_parameters(trainer.potential, part("potential/"), path)
    copy_parameters(trainer.average, part("average/"), path)
    trainer.n_steps = int(metadata["n_steps"])
    trainer.records = [trainer.record_type(**record) for record in json.loads(metadata["records"])]
    trainer.guard = DivergenceGuard(min((record.loss for record in trainer.records), default=math.inf))
    moments = {moment: part(f"{moment}/") for moment in _MOMENTS}
    for name, parameter in trainer.potential.named_parameters():
        if name in moments[_MOMENTS[0]]:
            trainer.optimizer.state[parameter] = {
                "step": torch.tensor(float(trainer.n_steps)),
                **{moment: values[name].to(parameter) for moment, values in moments.items()},
            }
