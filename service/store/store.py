"""The way into the database: transactions, and what can be done within one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from service.domain import StoreUnavailableError
from service.store.chunks import ChunkRepository
from service.store.engine import for_writing, make_engine
from service.store.hulls import HullRepository
from service.store.idempotency import IdempotencyRepository
from service.store.job_views import JobViews
from service.store.jobs import JobRepository
from service.store.migration import is_newest, upgrade
from service.store.reference_views import ReferenceViews
from service.store.references import ReferenceRepository
from service.store.structure_views import StructureViews
from service.store.structures import StructureRepository


@dataclass(frozen=True)
class Transaction:
    """One transaction, and the tables seen from within it."""

    connection: Connection

    @cached_property
    def jobs(self) -> JobRepository:
        """Jobs."""
        return JobRepository(self.connection)

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
    def references(self) -> ReferenceRepository:
        """Known structures."""
        return ReferenceRepository(self.connection)

    @cached_property
    def job_views(self) -> JobViews:
        """Jobs as users see them."""
        return JobViews(self.connection)

    @cached_property
    def structure_views(self) -> StructureViews:
        """Structures as users see them."""
        return StructureViews(self.connection)

    @cached_property
    def reference_views(self) -> ReferenceViews:
        """References as users see them."""
        return ReferenceViews(self.connection)


class Store:
    """A database; safe to share between threads, not between processes."""

    def __init__(self, database_url: str) -> None:
        self._engine = make_engine(database_url)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A transaction that writes: committed at the end of the block, rolled back by an exception.

        Raises:
            StoreUnavailableError: the database does not answer, or is locked for too long.
        """
        with _begin(for_writing(self._engine)) as connection:
            yield Transaction(connection)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        """A transaction that only reads.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        with _begin(self._engine) as connection:
            yield Transaction(connection)

    def migrate(self) -> None:
        """Bring the schema to the newest revision; several processes may do so at once."""
        with _begin(for_writing(self._engine)) as connection:
            upgrade(connection)

    def is_migrated(self) -> bool:
        """Whether the schema is the newest revision.

        Raises:
            StoreUnavailableError: the database does not answer.
        """
        with _begin(self._engine) as connection:
            return is_newest(connection)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


@contextmanager
def _begin(engine: Engine) -> Iterator[Connection]:
    try:
        with engine.begin() as connection:
            yield connection
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        raise StoreUnavailableError(f"The database does not answer: {str(error)[:200]}") from error
