"""The two ways to run the service: embedded, and on servers. Only URLs differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from servers import wait_until
from sqlalchemy import text

from rm_engine.spec import GenerationSpec
from rm_engine.spec.limits import MAX_ATOMS
from service.domain import PUBLIC_GROUP, ChunkState, JobState
from service.domain.views import JobView, StructureQuery, StructureView
from service.jobs import ChunkLimits, announce_due_chunks, submit_job
from service.queue import ChunkQueue
from service.settings import Settings
from service.store import Store

JOB_TIMEOUT_SECONDS = 300
_ENDED = {JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED}


@dataclass(frozen=True)
class Stack:
    """A migrated database and a broker, with settings, and the environment that gives processes the same settings."""

    settings: Settings
    store: Store
    queue: ChunkQueue

    @property
    def environment(self) -> Mapping[str, str]:
        changed = self.settings.model_dump(mode="json", exclude_unset=True)
        return {f"RMATCH_{name.upper()}": str(value) for name, value in changed.items()}

    def submit(self, spec: GenerationSpec, *, chunk_size: int) -> str:
        """Store and announce a job, as ``POST /generate`` does."""
        job_id = submit_job(self.store, spec, ChunkLimits(max_samples=chunk_size, max_atoms=chunk_size * MAX_ATOMS))
        announce_due_chunks(self.store, self.queue.announce, self.settings.reannounce_seconds, job_id=job_id)
        return job_id

    def job(self, job_id: str) -> JobView:
        with self.store.reading() as tx:
            return tx.job_views.get(job_id, PUBLIC_GROUP)

    def chunk_state(self, chunk_id: str) -> ChunkState | None:
        with self.store.reading() as tx:
            return tx.chunks.state(chunk_id)

    def query(self, sql: str, **values: object) -> list[tuple[Any, ...]]:
        """What the database answers, past all our code."""
        with self.store.reading() as tx:
            return [tuple(row) for row in tx.connection.execute(text(sql), values)]

    def structures(self, job_id: str) -> list[StructureView]:
        with self.store.reading() as tx:
            return tx.structure_views.search(StructureQuery(group=PUBLIC_GROUP, job=job_id, limit=1000)).items

    def wait_for(self, job_id: str) -> JobView:
        """The job when it is over."""
        wait_until(lambda: self.job(job_id).state in _ENDED, f"job {job_id} ends", JOB_TIMEOUT_SECONDS)
        return self.job(job_id)


@contextmanager
def open_stack(settings: Settings) -> Iterator[Stack]:
    """The stack of these settings, with an up-to-date schema."""
    with closing(Store(settings.resolved_database_url)) as store, closing(ChunkQueue(settings)) as queue:
        store.migrate()
        yield Stack(settings, store, queue)
