"""``/opinions``: asking another potential about structures that were found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Response
from pydantic import ConfigDict, Field, StrictInt

from rm_engine.errors import InputError
from rm_engine.spec import OpinionSpec, parse_formula
from rm_engine.spec.limits import MAX_STEPS
from rm_engine.spec.opinion import DEFAULT_OPINION_STEPS
from rm_engine.units import ATOMIC_NUMBERS
from service.api.access import Reader, Writer
from service.api.contract import may_answer
from service.api.jobs import QUEUED, IdempotencyKey, announce, read_job, read_quotas
from service.api.observation import RequestId
from service.api.requests import WHOLE, StructureId
from service.api.schemas import JobItem, OpinionDetail, OpinionItem
from service.api.selection import StructureSelection
from service.api.services import Use
from service.domain import NotFoundError, RepeatableRequest
from service.domain.ids import is_structure_id
from service.domain.views import StructureView
from service.jobs import submit_opinions

router = APIRouter(tags=["opinions"])

_HEAVIEST: Final = 94
"""Atomic number up to which CHGNet knows the elements."""


class OpinionRequest(StructureSelection):
    """Which structures another potential is asked about: crystals, chosen by their ids, by filters, or both."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"structure_ids": ["01m82bdrpfe9r60xv08f1264tt-00003"]},
                {"query": {"chemsys": "Li-S", "energy_above_hull_max": 0.1, "unique": True}},
            ]
        },
    )

    max_steps: Annotated[StrictInt, Field(ge=1, le=MAX_STEPS), WHOLE] = Field(
        DEFAULT_OPINION_STEPS, description="Most relaxation steps for a structure."
    )


@router.post("/opinions", status_code=202, responses={202: QUEUED, **may_answer(429)})
def ask(
    request: OpinionRequest,
    response: Response,
    services: Use,
    principal: Writer,
    request_id: RequestId,
    idempotency_key: IdempotencyKey = None,
) -> JobItem:
    """Queue a job in which CHGNet, a potential of others, relaxes structures and says what energy they have.

    Each structure shows it as `opinion`, in place of what was asked before.
    """
    with services.store.reading() as tx:
        views = request.find(tx, principal)
    chosen = list({view.id: view for view in views}.values())
    _check(chosen)
    spec = OpinionSpec(
        n_structures=len(chosen),
        n_atoms=sum(view.n_atoms for view in chosen),
        model=_common([view.model for view in chosen]),
        chemsys=_common([view.chemsys for view in chosen]),
        max_steps=request.max_steps,
    )
    repeatable = idempotency_key and RepeatableRequest.of(
        idempotency_key, request.model_dump(mode="json"), principal.group
    )
    job_id = submit_opinions(
        services.store,
        spec,
        [view.id for view in chosen],
        repeatable or None,
        principal,
        request_id,
        read_quotas(services.settings),
    )
    announce(services, job_id)
    response.headers["Location"] = f"/jobs/{job_id}"
    return read_job(services, job_id, principal)


@router.get("/structures/{structure_id}/opinion")
def get_opinion(structure_id: StructureId, services: Use, principal: Reader) -> OpinionDetail:
    """What another potential makes of a structure, with the atoms as it has relaxed them."""
    if not is_structure_id(structure_id):
        raise NotFoundError("structure", structure_id)
    with services.store.reading() as tx:
        view = tx.structure_views.get(structure_id, principal.group)
        atoms = tx.opinions.atoms_of(structure_id)
    if view.opinion is None or atoms is None:
        raise NotFoundError("opinion", structure_id)
    return OpinionDetail.model_validate({**dict(OpinionItem.of(view.opinion)), "atoms": atoms})


def _check(views: Sequence[StructureView]) -> None:
    """Refuse what the potential cannot be asked about.

    Raises:
        InputError: there is no structure, one that is no crystal, or an element that it does not know.
    """
    if not views:
        hint = "Give structure_ids, or a query that finds some."
        raise InputError("no_structures", "structure_ids", "none", "there is no structure to ask about", hint)
    for view in views:
        if view.volume_per_atom is None:
            hint = "Ask about crystals."
            raise InputError("no_opinion", "structure_ids", view.id, f"{view.formula} is no crystal", hint)
        unknown = [s for s in parse_formula(view.formula).elements if ATOMIC_NUMBERS[s] > _HEAVIEST]
        if unknown:
            reason = f"{view.formula} has {', '.join(unknown)}, which the potential does not know"
            raise InputError("no_opinion", "structure_ids", view.id, reason, "Leave it out.")


def _common(values: Sequence[str]) -> str:
    """What all are; empty where they differ."""
    return values[0] if len(set(values)) == 1 else ""
