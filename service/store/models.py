"""Models of groups, and the trainings that make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select, update

from rm_engine.spec import ModelCard, ModelSpec, fingerprint_content
from rm_engine.spec.model import is_name
from service.domain import AtomsJson, NotFoundError, StoredModel
from service.store.engine import read_clock
from service.store.tables import IS_OPEN, jobs, models, trainings

_VIEW: Final = (
    models.c.name,
    models.c.group_name.label("group"),
    *models.c["card", "fingerprint", "job_id", "created_at"],
)


@dataclass(frozen=True)
class ModelRepository:
    """Models and trainings within one transaction."""

    connection: Connection

    def add(self, card: ModelCard, content: bytes, group: str, job_id: str | None = None) -> StoredModel:
        """Store a model with its file, see :mod:`rm_engine.spec.packing`."""
        model = StoredModel(
            name=card.name,
            group=group,
            card=card.to_json(),
            fingerprint=fingerprint_content(content),
            job_id=job_id,
            created_at=read_clock(self.connection),
        )
        values = {**vars(model), "content": content, "group_name": group}
        del values["group"]
        self.connection.execute(models.insert().values(values))
        return model

    def find(self, name: str, group: str) -> StoredModel | None:
        """A group's model of that name; None where it has none."""
        if not is_name(name):  # nor can every text be asked of a database
            return None
        row = self.connection.execute(select(*_VIEW).where(*_is(name, group))).mappings().one_or_none()
        return None if row is None else StoredModel(**row)

    def of_group(self, group: str) -> list[StoredModel]:
        """All models of a group, by name."""
        query = select(*_VIEW).where(models.c.group_name == group).order_by(models.c.name)
        return [StoredModel(**row) for row in self.connection.execute(query).mappings()]

    def content(self, name: str, group: str) -> bytes:
        """The file of a model, see :mod:`rm_engine.spec.packing`.

        Raises:
            NotFoundError: the group has no such model.
        """
        if not is_name(name):
            raise NotFoundError("model", name)
        content: bytes | None = self.connection.scalar(select(models.c.content).where(*_is(name, group)))
        if content is None:
            raise NotFoundError("model", name)
        return content

    def remove(self, name: str, group: str) -> None:
        """Delete a model."""
        self.connection.execute(delete(models).where(*_is(name, group)))

    def is_taken(self, name: str, group: str) -> bool:
        """Whether a group has a model of that name, or is training one."""
        is_training = (trainings.c.group_name == group, trainings.c.model == name, IS_OPEN)
        query = select(trainings.c.job_id).join(jobs, jobs.c.id == trainings.c.job_id).where(*is_training).limit(1)
        return self.find(name, group) is not None or self.connection.scalar(query) is not None

    def count_uses(self, name: str, group: str) -> int:
        """Jobs of a group that have not ended and want a model: to search with it, or to begin a training with it."""
        spec = jobs.c.spec
        wants = (spec["model"].as_string() == name) | (spec["base"].as_string() == name)
        query = select(func.count()).select_from(jobs).where(IS_OPEN, jobs.c.group_name == group, wants)
        return self.connection.scalar(query) or 0

    def add_training(self, job_id: str, group: str, spec: ModelSpec, structures: Sequence[AtomsJson]) -> None:
        """Store what a job is to learn from."""
        values = {"job_id": job_id, "group_name": group, "model": spec.name, "structures": list(structures)}
        self.connection.execute(trainings.insert().values(values))

    def training(self, job_id: str) -> tuple[list[AtomsJson], bytes | None]:
        """What a job learns from, and the state to go on from."""
        query = select(trainings.c.structures, trainings.c.state).where(trainings.c.job_id == job_id)
        row = self.connection.execute(query).one()
        return row.structures, row.state

    def save_state(self, job_id: str, state: bytes | None, curve: Sequence[Mapping[str, Any]]) -> None:
        """Store how far a training is."""
        values = {"state": state, "curve": list(curve)}
        self.connection.execute(update(trainings).where(trainings.c.job_id == job_id).values(values))

    def curve(self, job_id: str, group: str) -> list[dict[str, Any]]:
        """The scores of every epoch that a training has behind it.

        Raises:
            NotFoundError: the group has no such training.
        """
        is_wanted = (trainings.c.job_id == job_id, trainings.c.group_name == group)
        row = self.connection.execute(select(trainings.c.curve).where(*is_wanted)).one_or_none()
        if row is None:
            raise NotFoundError("training", job_id)
        return row.curve or []


def _is(name: str, group: str) -> tuple[Any, Any]:
    return models.c.name == name, models.c.group_name == group
