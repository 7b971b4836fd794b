"""Models of a group's own, and what jobs are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rm_engine.spec import GenerationSpec, ModelSpec, OpinionSpec

JobSpec = GenerationSpec | ModelSpec | OpinionSpec
"""What a job makes: structures, a model, or opinions of structures."""


def read_job_spec(data: Mapping[str, Any]) -> JobSpec:
    """What a job makes, as it is stored."""
    if "composition" in data:
        return GenerationSpec.from_json(data)
    return OpinionSpec.from_json(data) if "potential" in data else ModelSpec.from_json(data)


@dataclass(frozen=True, kw_only=True)
class StoredModel:
    """A model in the database, without its weights.

    Attributes:
        name: unique in its group.
        group: whose it is.
        card: the JSON text of its card.
        fingerprint: see :func:`rm_engine.spec.fingerprint_content`.
        job_id: of the training that made it; None for one that was uploaded.
        created_at: when it was stored.
    """

    name: str
    group: str
    card: str
    fingerprint: str
    job_id: str | None
    created_at: datetime
