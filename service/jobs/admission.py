"""Whether there is room for one job more; whoever is refused is told when to come again."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from rm_engine.errors import InputError
from rm_engine.spec import GenerationSpec, ModelSpec, OpinionSpec
from service.domain.access import Principal
from service.domain.errors import QueueFullError, QuotaExceededError
from service.domain.models import JobSpec
from service.domain.quotas import Backlog, Quotas
from service.store import Transaction

_SECONDS: Final = (5, 3600)
"""Least and longest time after which to come again."""

_UNKNOWN_SECONDS: Final = 60
"""The same before any job has ended, from which a pace could be taken."""


def admit(tx: Transaction, spec: JobSpec, principal: Principal, quotas: Quotas) -> None:
    """Let a job in, in the transaction that will store it.

    What a key has waiting is counted under a lock, so that requests at the same time cannot pass its quota together.
    The bound for everybody they can pass, by no more than a job for each key: that a lock on all would not be worth.

    Raises:
        InputError: the job is too large, whatever else waits.
        QuotaExceededError: the key has too much waiting.
        QueueFullError: all keys together have.
    """
    bound = quotas.key
    if principal.max_queued_atom_steps is not None:
        bound = replace(bound, atom_steps=principal.max_queued_atom_steps)
    _check_size(spec, min(quotas.job, bound.atom_steps, quotas.everybody.atom_steps))
    tx.backlogs.lock(principal.key_id)
    own, everybody = tx.backlogs.of(principal.key_id)
    for backlog, limit, refusal in ((own, bound, QuotaExceededError), (everybody, quotas.everybody, QueueFullError)):
        excess = backlog.plus_job(spec.atom_steps).excess_over(limit)
        if excess:
            raise refusal(backlog, limit, spec.atom_steps, _seconds_until(excess, everybody, tx.backlogs.pace()))


def _check_size(spec: JobSpec, limit: int) -> None:
    if spec.atom_steps > limit:
        if isinstance(spec, ModelSpec):
            raise InputError(
                "too_much_work",
                "epochs",
                spec.n_epochs,
                f"{spec.n_epochs:,} epochs of {spec.n_structures:,} structures of {spec.n_atoms:,} atoms in all are as "
                f"much work as {spec.atom_steps:,} atom-steps; a job may have {limit:,}",
                "Lower epochs, or give fewer or smaller structures.",
            )
        if isinstance(spec, OpinionSpec):
            raise InputError(
                "too_much_work",
                "structure_ids",
                spec.n_structures,
                f"{spec.n_structures:,} structures of {spec.n_atoms:,} atoms in all, relaxed by another potential for "
                f"up to {spec.max_steps:,} steps, are as much work as {spec.atom_steps:,} atom-steps; a job may have "
                f"{limit:,}",
                "Ask about fewer structures, or lower max_steps.",
            )
        raise InputError(
            "too_much_work",
            "n",
            spec.n,
            f"{spec.n:,} structures of up to {_most_atoms(spec)} atoms, relaxed for up to {spec.max_steps:,} steps, "
            f"are {spec.atom_steps:,} atom-steps; a job may have {limit:,}",
            "Lower n, formula_units or max_steps, or send several jobs one after the other.",
        )


def _most_atoms(spec: GenerationSpec) -> int:
    return max(part.sizes[-1] for part in spec.parts)


def _seconds_until(excess: float, everybody: Backlog, pace: float | None) -> int:
    """When that share of a backlog is done: work goes in the order in which it came, whoever asked for it."""
    if pace is None:
        return _UNKNOWN_SECONDS
    low, high = _SECONDS
    return math.ceil(min(high, max(low, excess * everybody.atom_steps / pace)))
