"""Models of a group's own: trained, uploaded, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rm_engine.errors import ModelNotFoundError
from rm_engine.spec import ModelCard, ModelSpec, fingerprint_content
from service.domain import (
    ANONYMOUS,
    AtomsJson,
    ChunkState,
    JobState,
    ModelInUseError,
    NameTakenError,
    NotFoundError,
    Principal,
    RepeatableRequest,
    StoredModel,
    TrainingClaim,
)
from service.domain.ids import new_job_id
from service.domain.quotas import Quotas
from service.jobs.admission import admit
from service.store import Store


def submit_training(
    store: Store,
    spec: ModelSpec,
    structures: Sequence[AtomsJson],
    request: RepeatableRequest | None = None,
    principal: Principal = ANONYMOUS,
    request_id: str = "",
    quotas: Quotas | None = None,
) -> str:
    """Store a job that trains a model, ready to be claimed; its id. Arguments are those of
    :func:`service.jobs.submission.submit_job`.

    Raises:
        NameTakenError: the group has a model of that name, or is training one.
        KeyReusedError: the request's key stands for another request.
        InputError, QuotaExceededError, QueueFullError: see :func:`service.jobs.admission.admit`.
    """
    job_id = new_job_id()
    with store.transaction() as tx:
        if request is not None and (known := tx.idempotency.bind(request, job_id)) != job_id:
            return known
        if quotas is not None:
            admit(tx, spec, principal, quotas)
        if tx.models.is_taken(spec.name, principal.group):
            raise NameTakenError(spec.name)
        tx.jobs.add(job_id, spec, principal, request_id)
        tx.models.add_training(job_id, principal.group, spec, structures)
        tx.chunks.add(job_id, [range(spec.n_epochs)])
    return job_id


def load_training(store: Store, claim: TrainingClaim) -> tuple[list[AtomsJson], bytes | None]:
    """What a training learns from, and the state to go on from where an attempt before has left one."""
    with store.reading() as tx:
        return tx.models.training(claim.job_id)


def save_training(store: Store, claim: TrainingClaim, state: bytes, curve: Sequence[Mapping[str, Any]]) -> bool:
    """Store how far a training is; False, and nothing is written, when the claim holds no more."""
    with store.transaction() as tx:
        tx.jobs.lock(claim.job_id)
        if not tx.chunks.is_held(claim):
            return False
        tx.models.save_state(claim.job_id, state, curve)
        return True


def record_model(
    store: Store, claim: TrainingClaim, card: ModelCard, content: bytes, curve: Sequence[Mapping[str, Any]]
) -> bool:
    """Store the model that a training has made, and close its job.

    Returns:
        False, and nothing is written, when the claim holds no more.

    Raises:
        NameTakenError: meanwhile another model was given the name.
    """
    with store.transaction() as tx:
        tx.jobs.lock(claim.job_id)
        if not tx.chunks.close(claim, ChunkState.SUCCEEDED):
            return False
        if tx.models.find(card.name, claim.group) is not None:
            raise NameTakenError(card.name)
        tx.models.save_state(claim.job_id, None, curve)
        tx.models.add(card, content, claim.group, claim.job_id)
        tx.jobs.finish(claim.job_id, JobState.SUCCEEDED)
        return True


def add_model(store: Store, card: ModelCard, content: bytes, group: str) -> StoredModel:
    """Store a model that was uploaded; the very same again changes nothing.

    Raises:
        NameTakenError: there is another of that name.
    """
    with store.transaction() as tx:
        known = tx.models.find(card.name, group)
        if known is not None and known.fingerprint == fingerprint_content(content):
            return known
        if tx.models.is_taken(card.name, group):
            raise NameTakenError(card.name)
        return tx.models.add(card, content, group)


def delete_model(store: Store, name: str, group: str) -> None:
    """Delete a model of a group; its structures stay.

    Raises:
        NotFoundError: the group has no such model.
        ModelInUseError: jobs that have not ended want it.
    """
    with store.transaction() as tx:
        if tx.models.find(name, group) is None:
            raise NotFoundError("model", name)
        n_uses = tx.models.count_uses(name, group)
        if n_uses:
            raise ModelInUseError(name, n_uses)
        tx.models.remove(name, group)


def find_own_model(store: Store, name: str, group: str) -> StoredModel:
    """A model of a group.

    Raises:
        ModelNotFoundError: it has none of that name.
    """
    with store.reading() as tx:
        found = tx.models.find(name, group)
    if found is None:
        raise ModelNotFoundError(name, f"There is no model {name[:80]!r}. GET /models lists those there are.")
    return found


def load_own_model(store: Store, name: str, group: str) -> bytes:
    """The file of a model of a group, see :mod:`rm_engine.spec.packing`.

    Raises:
        NotFoundError: it has none of that name.
    """
    with store.reading() as tx:
        return tx.models.content(name, group)
