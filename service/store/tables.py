"""The tables. Times are UTC, energies are per atom and of the named model, ids sort by time."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    DateTime,
    Double,
    Enum,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    and_,
    false,
    func,
    literal_column,
    true,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeEngine

from service.domain.states import ChunkKind, ChunkState, JobState

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

ID = String(64).with_variant(String(64, collation="C"), "postgresql")
"""Compared byte by byte on both databases, so that the order of ids is the same everywhere."""


class UtcDateTime(TypeDecorator[datetime]):
    """A time that knows it is UTC; SQLite would forget."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """To UTC."""
        return value if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """SQLite gives the naive UTC time back, PostgreSQL an aware one in the session's zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _state(kind: type[StrEnum], name: str) -> Enum:
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=True,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


OPTIONAL_JSON = JSON(none_as_null=True)


def _required(name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], *items: SchemaItem) -> Column[Any]:
    return Column(name, kind, *items, nullable=False)


def _count(name: str) -> Column[Any]:
    return Column(name, Integer, nullable=False, default=0)


jobs = Table(
    "jobs",
    metadata,
    Column("id", ID, primary_key=True),
    _required("state", _state(JobState, "state")),
    _required("spec", JSON),
    _required("n", Integer),
    Column("error", Text),
    _required("created_at", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Index(None, "state", "id"),
)

chunks = Table(
    "chunks",
    metadata,
    Column("id", ID, primary_key=True),
    _required("job_id", ID, ForeignKey("jobs.id")),
    _required("kind", _state(ChunkKind, "kind")),
    _required("state", _state(ChunkState, "state")),
    _required("start", Integer),
    _required("stop", Integer),
    _count("attempt"),
    _count("lost_attempts"),
    _count("announcements"),
    _count("n_finished"),
    _count("n_steps"),
    Column("worker", Text),
    Column("lease_expires_at", UtcDateTime),
    Column("due_at", UtcDateTime),  # when it next needs a message; null while it needs none
    Column("error", Text),
    CheckConstraint("start < stop", name="not_empty"),
    Index(None, "job_id"),
    Index(None, "due_at"),
)

structures = Table(
    "structures",
    metadata,
    Column("id", ID, primary_key=True),
    _required("job_id", ID, ForeignKey("jobs.id")),
    _required("sample", Integer),
    _required("model", Text),
    Column("model_fingerprint", Text),  # null where it was not recorded: such structures share no hull with others
    _required("start", Text),
    Column("start_origin", Text),
    _required("formula", Text),
    _required("reduced_formula", Text),
    _required("chemsys", Text),
    _required("n_atoms", Integer),
    _required("is_crystal", Boolean),
    _required("pseudo_energy_per_atom", Double),
    Column("formation_energy_per_atom", Double),  # eV/atom; null where the model estimates none
    _required("ranking_energy", Double),  # the formation energy, else the pseudo energy: orders and hulls are of this
    Column("energy_above_hull", Double),  # null until analysed, and for what is no converged crystal
    _required("converged", Boolean),
    _required("n_steps", Integer),
    Column("space_group_number", Integer),
    Column("space_group_symbol", Text),
    Column("representative_id", ID, ForeignKey("structures.id")),  # null until analysed, its own id when it is unique
    Column("smiles", Text),  # null for what is no molecule, and where no bonds could be perceived
    Column("passes_checks", Boolean),  # null for what is no molecule
    Column("molecule", OPTIONAL_JSON),  # the rest of a MoleculeRecord
    _required("created_at", UtcDateTime),
    _required("is_matched", Boolean),  # whether it has a row in matches
    Column("is_unique", Boolean),  # whether it represents itself; null until analysed
    UniqueConstraint("job_id", "sample"),
)

ON_HULL: Final = 1e-6
"""Energy above the hull per atom up to which a structure lies on it."""

IS_ON_HULL: Final = structures.c.energy_above_hull <= literal_column(repr(ON_HULL))

_LISTS: Final[tuple[tuple[str, tuple[str, ...], ColumnElement[bool] | None], ...]] = (
    ("", (), None),
    ("reduced_formula", ("reduced_formula",), None),
    ("chemsys", ("chemsys",), None),
    ("model", ("model",), None),
    ("matched", (), structures.c.is_matched == true()),
    ("unconverged", (), structures.c.converged == false()),
    ("examined", ("passes_checks",), structures.c.passes_checks.is_not(None)),
    ("on_hull", (), and_(IS_ON_HULL, structures.c.is_crystal == true())),
)
"""What lists of structures are filtered by: name, column, and which rows where the rest needs no index."""

_known = structures.c.smiles.is_not(None)
Index("ix_structures_smiles_id", *structures.c["smiles", "id"], postgresql_where=_known, sqlite_where=_known)

# A page is read off an index of its filter and its order: it costs the same wherever it is, however long the list.
for _name, _filter, _rows in _LISTS:
    for _order in (("id",), ("ranking_energy", "id"), ("energy_above_hull", "id")):
        if _name or _order != ("id",):  # the primary key
            Index(
                "_".join(filter(None, ("ix_structures", _name, *_order))),
                *(structures.c[column] for column in (*_filter, *_order)),
                postgresql_where=_rows,
                sqlite_where=_rows,
            )


def unindexed(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The condition, so that no index serves it: where it holds too often, and there is a narrower one."""
    return func.coalesce(condition, false())


structure_atoms = Table(
    "structure_atoms",  # apart, so that the rows that lists read and hulls change are short
    metadata,
    Column("structure_id", ID, ForeignKey("structures.id"), primary_key=True),
    _required("atoms", JSON),
)

chemical_system_elements = Table(
    "chemical_system_elements",
    metadata,
    Column("chemsys", Text, primary_key=True),
    Column("symbol", String(2), primary_key=True),
    Index(None, "symbol", "chemsys"),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("digest", ID, primary_key=True),
    _required("fingerprint", String(64)),
    _required("job_id", ID),  # no foreign key: it is bound before the job is stored
    _required("created_at", UtcDateTime),
    Index(None, "created_at"),
)

failed_samples = Table(
    "failed_samples",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id"), primary_key=True),
    Column("sample", Integer, primary_key=True, autoincrement=False),
    _required("reason", Text),
)

references = Table(
    "references",
    metadata,
    Column("id", ID, primary_key=True),
    _required("name", Text),
    _required("source", Text),
    _required("formula", Text),
    _required("reduced_formula", Text),
    _required("anonymous_formula", Text),
    _required("chemsys", Text),
    _required("n_atoms", Integer),
    _required("atoms", JSON),
    _required("created_at", UtcDateTime),
    Index(None, "reduced_formula"),
    Index(None, "anonymous_formula", "n_atoms"),
)

matches = Table(
    "matches",
    metadata,
    Column("structure_id", ID, ForeignKey("structures.id"), primary_key=True),
    Column("reference_id", ID, ForeignKey("references.id"), primary_key=True),
    _required("rms", Double),
    Index(None, "reference_id"),
)
