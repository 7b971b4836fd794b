"""``POST /models`` and the curves of trainings."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from rm_engine.errors import InputError
from rm_engine.files import Format
from rm_engine.spec import ModelCard, ModelSpec, default_model, list_models
from rm_engine.spec.generation import CRYSTAL, MOLECULE
from rm_engine.spec.limits import MAX_EPOCHS, MAX_SEED
from rm_engine.spec.model import DEFAULT_EPOCHS, MODEL_NAME, check_base, find_boundary
from service.api.access import Reader, Writer
from service.api.cards import find_card
from service.api.contract import may_answer
from service.api.jobs import QUEUED, IdempotencyKey, announce, read_job, read_quotas
from service.api.observation import RequestId
from service.api.requests import WHOLE, JobId, Seed
from service.api.schemas import JobItem, TrainingCurve
from service.api.selection import StructureSelection
from service.api.services import Services, Use
from service.domain import AtomsJson, NameTakenError, NotFoundError, Principal, RepeatableRequest
from service.domain.ids import is_job_id
from service.jobs import submit_training

router = APIRouter(tags=["models"])

_MAX_FILES = 20


class StructureFile(BaseModel):
    """Structures in the text of a file."""

    model_config = ConfigDict(extra="forbid")

    format: Format = Field(description="What the content is.")
    content: StrictStr = Field(min_length=1, description="Text of the file; of a database (`ase-db`), Base64 of it.")


class TrainRequest(StructureSelection):
    """What to train, and from which structures: from files, from those found before, or both."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "my-carbon",
                    "structures": [
                        {
                            "format": "poscar",
                            "content": "C2\n1\n0 1.783 1.783\n1.783 0 1.783\n1.783 1.783 0\nC\n2\ndirect\n"
                            "0 0 0\n0.25 0.25 0.25\n",
                        }
                    ],
                },
                {"name": "more-like-these", "query": {"chemsys": "Li-S", "hull": True}, "recipe": "fine-tune"},
            ]
        },
    )

    name: StrictStr = Field(
        pattern=MODEL_NAME, description="Name of the model, which no other may have.", examples=["my-carbon"]
    )
    structures: list[StructureFile] = Field(
        [], max_length=_MAX_FILES, description="Files with structures at rest, each with one or several."
    )
    recipe: Literal["new", "fine-tune"] = Field(
        "new",
        description="`new` begins with random weights, and is enough for one structure; `fine-tune` with those of "
        "`base`, and keeps its ranking.",
    )
    base: StrictStr | None = Field(
        None, max_length=100, description="Model to fine-tune; by default the usual one.", examples=["mp20-plus"]
    )
    epochs: Annotated[StrictInt, Field(ge=1, le=MAX_EPOCHS), WHOLE] = Field(
        DEFAULT_EPOCHS, description="Visits of every structure; of fewer than 64, each is visited as often as makes 64."
    )
    seed: Seed | None = Field(None, description="Of weights, order and noise; random if left out.")


@router.post("/models", status_code=202, responses={202: QUEUED, **may_answer(409, 429)})
def train(
    request: TrainRequest,
    response: Response,
    services: Use,
    principal: Writer,
    request_id: RequestId,
    idempotency_key: IdempotencyKey = None,
) -> JobItem:
    """Queue a job that trains a model from structures at rest, one of them or a thousand.

    No energies or forces are asked for: the model learns how the structures answer to being shaken.
    """
    if request.name in dict(list_models(services.settings.model_directories)):
        raise NameTakenError(request.name)
    structures = _collect(services, request, principal)
    base = _find_base(services, request, structures, principal)
    spec = ModelSpec(
        name=request.name,
        n_structures=len(structures),
        n_atoms=sum(len(each["numbers"]) for each in structures),
        base=None if base is None else base.name,
        n_epochs=request.epochs,
        seed=secrets.randbelow(MAX_SEED) if request.seed is None else request.seed,
    )
    repeatable = idempotency_key and RepeatableRequest.of(
        idempotency_key, request.model_dump(mode="json"), principal.group
    )
    job_id = submit_training(
        services.store, spec, structures, repeatable or None, principal, request_id, read_quotas(services.settings)
    )
    announce(services, job_id)
    response.headers["Location"] = f"/jobs/{job_id}"
    return read_job(services, job_id, principal)


@router.get("/jobs/{job_id}/curve")
def get_curve(job_id: JobId, services: Use, principal: Reader) -> TrainingCurve:
    """The scores of a training, epoch by epoch, while it runs and after."""
    if not is_job_id(job_id):
        raise NotFoundError("job", job_id)
    with services.store.reading() as tx:
        return TrainingCurve.of(tx.models.curve(job_id, principal.group))


def _collect(services: Services, request: TrainRequest, principal: Principal) -> list[AtomsJson]:
    """All structures of a request.

    Raises:
        InputError: there is none, a file cannot be read, or there is no structure of an id.
    """
    found = list(_read_files(services, request.structures))
    with services.store.reading() as tx:
        views = request.find(tx, principal)
        found += [view.atoms for view in tx.structure_views.with_atoms(views) if view.atoms is not None]
    if not found:
        hint = "Give structures, structure_ids, or a query that finds some."
        raise InputError("no_structures", "structures", "none", "there is no structure to learn from", hint)
    return found


def _read_files(services: Services, files: Sequence[StructureFile]) -> Iterator[AtomsJson]:
    """The structures of all files, which together may take as long as one.

    Raises:
        InputError: a file cannot be read, or all of them take too long.
    """
    deadline = time.monotonic() + services.settings.sandbox_seconds
    for file in files:
        if time.monotonic() > deadline:
            reason, hint = "reading them takes too long", "Send fewer files, or one that holds all structures."
            raise InputError("structure_file_too_large", "structures", f"{len(files)} files", reason, hint)
        yield from services.sandbox.parse(file.content, file.format)


def _find_base(
    services: Services, request: TrainRequest, structures: list[AtomsJson], principal: Principal
) -> ModelCard | None:
    """The card of the model to begin with; None for random weights.

    Raises:
        InputError: the structures are of two kinds, or the model does not suit them.
        ModelNotFoundError: there is no such model.
    """
    boundary = find_boundary(each["periodic"] for each in structures)
    if request.recipe == "new":
        if request.base is not None:
            hint = "Leave base out, or give the recipe fine-tune."
            raise InputError("conflicting_fields", "base", request.base, "the recipe begins with random weights", hint)
        return None
    name = request.base or default_model(CRYSTAL if boundary == "crystal" else MOLECULE)
    base = find_card(services, name, principal.group)
    check_base(base, {number for each in structures for number in each["numbers"]}, boundary)
    return base
