"""The way into the database: transactions, and what can be done within one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from psycopg.errors import IdleInTransactionSessionTimeout
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import QueuePool

from service.breaker import Breaker
from service.domain import StoreUnavailableError
from service.store.backlogs import BacklogRepository
from service.store.chunks import ChunkRepository
from service.store.engine import MAX_CONNECTIONS, for_reading, for_writing, make_engine
from service.store.hulls import HullRepository
from service.store.idempotency import IdempotencyRepository
from service.store.imports import ImportRepository
from service.store.job_views import JobViews
from service.store.jobs import JobRepository
from service.store.keys import KeyRepository
from service.store.migration import is_served, list_losses, migrate
from service.store.models import ModelRepository
from service.store.opinions import OpinionRepository
from service.store.queue_views import QueueViews
from service.store.reference_views import ReferenceViews
from service.store.references import ReferenceRepository
from service.store.structure_views import StructureViews
from service.store.structures import StructureRepository
from service.store.workers import WorkerRepository


@dataclass(frozen=True)
class Transaction:
    """One transaction, and the tables seen from within it."""

    connection: Connection

    @cached_property
    def jobs(self) -> JobRepository:
        """Jobs."""
        return JobRepository(self.connection)

    @cached_property
    def backlogs(self) -> BacklogRepository:
        """What waits and runs."""
        return BacklogRepository(self.connection)

    @cached_property
    def chunks(self) -> ChunkRepository:
        """Chunks."""
        return ChunkRepository(self.connection)

    @cached_property
    def structures(self) -> StructureRepository:
        """Structures."""
        return StructureRepository(self.connection)

    @cached_property
    def hulls(self) -> HullRepository:
        """Pseudo hulls."""
        return HullRepository(self.connection)

    @cached_property
    def idempotency(self) -> IdempotencyRepository:
        """Idempotency keys."""
        return IdempotencyRepository(self.connection)

    @cached_property
    def keys(self) -> KeyRepository:
        """API keys."""
        return KeyRepository(self.connection)

    @cached_property
    def references(self) -> ReferenceRepository:
        """Known structures."""
        return ReferenceRepository(self.connection)

    @cached_property
    def imports(self) -> ImportRepository:
        """Imports of known structures."""
        return ImportRepository(self.connection)

    @cached_property
    def models(self) -> ModelRepository:
        """Models of groups, and their trainings."""
        return ModelRepository(self.connection)

    @cached_property
    def opinions(self) -> OpinionRepository:
        """What other potentials make of structures."""
        return OpinionRepository(self.connection)

    @cached_property
    def workers(self) -> WorkerRepository:
        """Worker processes."""
        return WorkerRepository(self.connection)

    @cached_property
    def job_views(self) -> JobViews:
        """Jobs as users see them."""
        return JobViews(self.connection)

    @cached_property
    def queue_views(self) -> QueueViews:
        """The queue as operators see it."""
        return QueueViews(self.connection)

    @cached_property
    def structure_views(self) -> StructureViews:
        """Structures as users see them."""
        return StructureViews(self.connection)

    @cached_property
    def reference_views(self) -> ReferenceViews:
        """References as users see them."""
        return ReferenceViews(self.connection)


@dataclass(frozen=True, kw_only=True)
class PoolUse:
    """Connections of this process: how many are in use, wait for use, and may be at most."""

    in_use: int
    idle: int
    limit: int = MAX_CONNECTIONS


class Store:
    """A database; safe to share between threads, not between processes.

    Args:
        database_url: see :class:`service.settings.Settings`.
        statement_seconds: see :func:`service.store.engine.make_engine`.
    """

    def __init__(self, database_url: str, statement_seconds: float | None = None) -> None:
        self._engine = make_engine(database_url, statement_seconds)
        self._breaker = Breaker()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that writes: committed at the end of the block, rolled back by an exception.

        Raises:
            StoreUnavailableError: the database does not answer, or is locked for too long.
        """
        with self._begin(for_writing(self._engine)) as connection:
            yield Transaction(connection)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Statements that only read; each sees what is committed when it begins.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        with self._begin(for_reading(self._engine)) as connection:
            yield Transaction(connection)

    def migrate(self, revision: str | None = None) -> None:
        """Bring the schema to a revision, the newest unless given, up or down; several processes may do so at once.

        Raises:
            SchemaError: there is no such revision, or the schema is newer than this version knows.
        """
        with self._begin(for_writing(self._engine)) as connection:
            migrate(connection, revision)

    def list_losses(self, revision: str | None = None) -> list[str]:
        """What :meth:`migrate` would lose, a sentence for each step down; the same errors."""
        with self._begin(self._engine) as connection:
            return list_losses(connection, revision)

    def is_migrated(self) -> bool:
        """Whether the schema is one that this version works on: its own, or a newer one.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        with self._begin(self._engine) as connection:
            return is_served(connection)

    def pool_use(self) -> PoolUse:
        """What is made of the connections now."""
        pool = cast(QueuePool, self._engine.pool)
        return PoolUse(in_use=pool.checkedout(), idle=pool.checkedin())

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    @contextmanager
    def _begin(self, engine: Engine) -> Iterator[Connection]:
        if not self._breaker.admits():
            raise StoreUnavailableError("The database did not answer just now.")
        try:
            with self._connect(engine) as connection, connection.begin():
                yield connection
        except InternalError as error:
            if not isinstance(error.orig, IdleInTransactionSessionTimeout):
                raise
            raise StoreUnavailableError("The database has given this process up: it stood still for long.") from error
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                self._breaker.settle(worked=False)
            raise StoreUnavailableError(f"The database does not answer: {str(error)[:200]}") from error

    def _connect(self, engine: Engine) -> Connection:
        """A connection that was heard of just now."""
        is_alive = False
        try:
            connection = engine.connect()
            is_alive = True
        finally:
            self._breaker.settle(worked=is_alive)
        return connection
