"""``/models``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from fastapi import APIRouter

from rm_engine.errors import ModelNotFoundError
from rm_engine.spec import find_model, list_models, read_card, read_fingerprint
from service.api.access import Reader
from service.api.requests import ModelName
from service.api.schemas import ModelDetail, ModelItem, ModelList
from service.api.services import Use
from service.domain import NotFoundError

router = APIRouter(prefix="/models", tags=["models"])


@router.get("")
def get_models(services: Use, _principal: Reader) -> ModelList:
    """The models, with the elements they know and the kind of energy they give."""
    paths = [path for _, path in list_models(services.settings.model_directories)]
    return ModelList(items=[ModelItem.of(read_card(path), _fingerprint(path)) for path in paths])


@router.get("/{name}")
def get_model(name: ModelName, services: Use, _principal: Reader) -> ModelDetail:
    """A model with its recipe, the record of its training and its scores."""
    try:
        path = find_model(name, services.settings.model_directories)
    except ModelNotFoundError as error:
        raise NotFoundError("model", name) from error
    return ModelDetail.of(read_card(path), _fingerprint(path))


def _fingerprint(path: Path) -> str | None:
    try:
        changed = tuple(file.stat().st_mtime_ns for file in (path, path.with_suffix(".safetensors")))
        return _keep_fingerprint(path, changed)
    except FileNotFoundError:
        return None


@lru_cache(maxsize=256)
def _keep_fingerprint(path: Path, _changed: tuple[int, ...]) -> str:
    """The fingerprint of files that were changed at these times: hashing weights takes longer than all the rest."""
    return read_fingerprint(path)
