"""Reading and writing checkpoints: ``NAME.safetensors`` (weights) beside ``NAME.json`` (the card), or both in one
file. No pickle anywhere.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save
from torch import Tensor

from rm_engine.checkpoint.model import Model
from rm_engine.errors import CheckpointError, ModelNotFoundError
from rm_engine.potential import CACE
from rm_engine.spec import ModelCard, PotentialConfig, find_model, read_card, unpack_card
from rm_engine.spec.packing import FORMATION


def load_model(
    name_or_path: str | Path,
    *,
    directories: Sequence[Path] = (),
    device: torch.device | str | None = None,
    memory_budget: int | None = None,
) -> Model:
    """Load a trained model.

    Args:
        name_or_path: name of a shipped model or of one in ``directories``, or the path of a checkpoint's JSON half, or
            of a model in one file (:mod:`rm_engine.spec.packing`).
        directories: looked at before the shipped models.
        device: where to put it; by default CUDA when it is there, else the CPU.
        memory_budget: bytes that structures may take which relax together; by default most of a GPU's free memory. On a
            CPU they take little.

    Raises:
        ModelNotFoundError: there is no such checkpoint.
        CheckpointError: it is there but cannot be used.
    """
    is_path = isinstance(name_or_path, Path) or name_or_path.endswith((".json", ".safetensors"))
    path = Path(name_or_path) if is_path else find_model(str(name_or_path), directories)
    if path.suffix == ".safetensors" and path.is_file():
        return read_model(path.read_bytes(), path, device=device, memory_budget=memory_budget)
    weights_path = path.with_suffix(".safetensors")
    return _build(read_card(path), read_tensors(weights_path), weights_path, device, memory_budget)


def read_model(
    content: bytes, source: Path, *, device: torch.device | str | None = None, memory_budget: int | None = None
) -> Model:
    """The model in the content of one file; ``source`` names it in errors, the rest is as in :func:`load_model`.

    Raises:
        CheckpointError: it cannot be used.
    """
    return _build(unpack_card(content), load(content), source, device, memory_budget)


def _build(
    card: ModelCard,
    weights: Mapping[str, Tensor],
    source: Path,
    device: torch.device | str | None,
    memory_budget: int | None,
) -> Model:
    target = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def build(config: PotentialConfig, prefix: str) -> CACE:
        potential = CACE(config)
        copy_parameters(potential, _of_part(weights, prefix), source)
        return potential.to(target).eval().requires_grad_(False)

    formation = None if card.formation is None else build(card.formation, FORMATION)
    return Model(card, build(card.potential, ""), target, formation, memory_budget)


def save_model(model: Model, directory: Path) -> Path:
    """Write a model's checkpoint into ``directory`` and return the path of its JSON half.

    Each file is replaced whole, the card last, so that a card never stands beside half a file of weights.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{model.card.name}.json"
    parts = {"": model.potential, **({} if model.formation is None else {FORMATION: model.formation})}
    weights = {
        f"{prefix}{name}": value.detach().float().cpu().contiguous()
        for prefix, potential in parts.items()
        for name, value in potential.named_parameters()
    }
    replace_file(path.with_suffix(".safetensors"), save(weights))
    replace_file(path, model.card.to_json().encode())
    return path


def _of_part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights of one potential: those whose names begin with the prefix, or with no other potential's."""
    if prefix:
        return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
    return {name: value for name, value in weights.items() if not name.startswith(FORMATION)}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        ModelNotFoundError: the file is not there.
        CheckpointError: it is no safetensors file.
    """
    try:
        return load_file(path)
    except FileNotFoundError as error:
        raise ModelNotFoundError(path.stem, f"There are no weights at {path}.") from error
    except (SafetensorError, ValueError) as error:
        raise CheckpointError(f"{path} is not a safetensors file ({str(error)[:200]}).") from error


def copy_parameters(potential: CACE, weights: Mapping[str, Tensor], source: Path) -> None:
    """Set every parameter of a potential.

    Raises:
        CheckpointError: names or shapes are not the potential's, or a weight is not finite.
    """
    parameters = dict(potential.named_parameters())
    if parameters.keys() != weights.keys():
        wrong = sorted(parameters.keys() ^ weights.keys())
        raise CheckpointError(f"{source} does not fit its card: {', '.join(wrong)[:80]} missing or too many.")
    with torch.no_grad():
        for name, parameter in parameters.items():
            if parameter.shape != weights[name].shape:
                shape = str(tuple(weights[name].shape))[:80]
                raise CheckpointError(f"{source} does not fit its card: {name} has shape {shape}.")
            if not (weights[name].is_floating_point() and torch.isfinite(weights[name]).all()):
                raise CheckpointError(f"{source} is damaged: {name} holds what is no finite number.")
            parameter.copy_(weights[name])


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: a full disk or a kill leaves the one that was there.

    Raises:
        OSError: it cannot be written; the error names the file.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)  # on a full disk, others need the room
        raise OSError(error.errno, f"{error.strerror}, what was there before is kept", str(path)) from error
