"""The models that a worker process holds, loaded once each."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import torch

from rm_engine.checkpoint import Model, load_model, read_model
from rm_engine.errors import ModelNotFoundError
from rm_engine.spec import find_model, read_fingerprint
from service.jobs import find_own_model, load_own_model
from service.settings import Settings
from service.store import Store

_MAX_MODELS = 8


class LoadedModel(NamedTuple):
    """A model, and what tells it from others of its name (:func:`rm_engine.spec.read_fingerprint`)."""

    model: Model
    fingerprint: str


class ModelCache:
    """Loads models by name, on the device and for the number of threads that the settings ask for: those of the
    operator from files, those of a group from the database.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._store = store
        torch.set_num_threads(settings.worker_threads)
        self._directories = settings.model_directories
        self._memory_budget = settings.memory_budget_bytes
        self._device = None if settings.device == "auto" else settings.device  # None takes CUDA where it is there
        self._load = lru_cache(maxsize=_MAX_MODELS)(self._load_version)
        self._load_own = lru_cache(maxsize=_MAX_MODELS)(self._load_own_version)

    def load(self, name: str, group: str) -> LoadedModel:
        """The model that a group knows by that name; one that was replaced is read again.

        Raises:
            ModelNotFoundError: there is none.
            CheckpointError: it cannot be used.
        """
        try:
            path = find_model(name, self._directories)
        except ModelNotFoundError:
            return self._load_own(name, group, find_own_model(self._store, name, group).fingerprint)
        return self._load(name, path.stat().st_mtime_ns)

    @property
    def device(self) -> str:
        """Where models are put: the GPU by its name, or ``cpu``."""
        return torch.cuda.get_device_name() if self._uses_gpu() else "cpu"

    @property
    def target(self) -> str:
        """The same for torch: ``cuda`` or ``cpu``."""
        return "cuda" if self._uses_gpu() else "cpu"

    def measure_gpu_memory(self) -> int | None:
        """Bytes of the GPU's memory that this process holds for tensors; None without a GPU."""
        return torch.cuda.memory_reserved() if self._uses_gpu() else None

    def _uses_gpu(self) -> bool:
        return self._device != "cpu" and torch.cuda.is_available()

    def _load_version(self, name: str, _modified_ns: int) -> LoadedModel:
        model = load_model(name, directories=self._directories, device=self._device, memory_budget=self._memory_budget)
        return LoadedModel(model, read_fingerprint(find_model(name, self._directories)))

    def _load_own_version(self, name: str, group: str, fingerprint: str) -> LoadedModel:
        content = load_own_model(self._store, name, group)
        model = read_model(content, Path(name), device=self._device, memory_budget=self._memory_budget)
        return LoadedModel(model, fingerprint)
