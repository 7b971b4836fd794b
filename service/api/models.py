"""``/models``: those of the operator, in files, and those of the group, in the database."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Response

from rm_engine.errors import ModelNotFoundError
from rm_engine.spec import ModelCard, find_model, list_models, pack_model, read_card, read_fingerprint
from rm_engine.spec.model import check_name
from service.api.access import Reader, Writer
from service.api.contract import may_answer
from service.api.requests import ModelName
from service.api.schemas import ModelDetail, ModelItem, ModelList
from service.api.services import Services, Use
from service.api.slots import Slot
from service.domain import NameTakenError, NotFoundError
from service.jobs import add_model, delete_model

router = APIRouter(prefix="/models", tags=["models"])

_FILE: Final = "application/octet-stream"
_A_FILE: Final[dict[str, Any]] = {
    "content": {_FILE: {"schema": {"type": "string", "format": "binary"}}},
    "description": "The model in one file: safetensors, with the card among the metadata.",
}


@router.get("")
def get_models(services: Use, principal: Reader) -> ModelList:
    """The models: the operator's, then the group's own, with the elements and the kind of energy that each knows."""
    paths = [path for _, path in list_models(services.settings.model_directories)]
    items = [ModelItem.of(read_card(path), _fingerprint(path)) for path in paths]
    with services.store.reading() as tx:
        own = tx.models.of_group(principal.group)
    taken = {item.name for item in items}  # since then the operator may have put one of the name there
    return ModelList(items=[*items, *(ModelItem.of_own(model) for model in own if model.name not in taken)])


@router.get("/{name}")
def get_model(name: ModelName, services: Use, principal: Reader) -> ModelDetail:
    """A model with its recipe, the record of its training and its scores."""
    path = _find_path(services, name)
    if path is not None:
        return ModelDetail.of(read_card(path), _fingerprint(path))
    with services.store.reading() as tx:
        own = tx.models.find(name, principal.group)
    if own is None:
        raise NotFoundError("model", name)
    return ModelDetail.of_own(own)


@router.get("/{name}/file", response_class=Response, responses={200: _A_FILE})
def download_model(name: ModelName, services: Use, principal: Reader) -> Response:
    """A model as a file, which `rm_engine.load_model` reads, and which can be uploaded again."""
    path = _find_path(services, name)
    if path is None:
        with services.store.reading() as tx:
            content = tx.models.content(name, principal.group)
    else:
        try:
            content = pack_model(path.read_text(encoding="utf-8"), path.with_suffix(".safetensors").read_bytes())
        except FileNotFoundError as error:
            raise NotFoundError("model", name) from error
    headers = {"Content-Disposition": f'attachment; filename="{name}.safetensors"'}
    return Response(content, media_type=_FILE, headers=headers)


@router.put("/{name}", status_code=201, responses=may_answer(409))
def upload_model(
    name: ModelName,
    content: Annotated[
        bytes,
        Body(
            media_type=_FILE,
            min_length=1,
            description="As `GET /models/{name}/file` gives it.",
            json_schema_extra={"format": "binary"},
        ),
    ],
    services: Use,
    principal: Writer,
) -> ModelItem:
    """Add a model of one's own; the very same again changes nothing. It gets the name in the path."""
    check_name(name)
    if _find_path(services, name) is not None:
        raise NameTakenError(name)
    card: ModelCard = replace(services.sandbox.read_card(content), name=name)
    return ModelItem.of_own(add_model(services.store, card, pack_model(card.to_json(), content), principal.group))


@router.delete("/{name}", status_code=204, responses=may_answer(409))
def remove_model(name: ModelName, services: Use, principal: Writer, _slot: Slot) -> None:
    """Delete a model of the group's own. Structures that it made stay."""
    delete_model(services.store, name, principal.group)


def _find_path(services: Services, name: str) -> Path | None:
    """The card of a model of the operator; None where there is none of that name."""
    try:
        return find_model(name, services.settings.model_directories)
    except ModelNotFoundError:
        return None


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
