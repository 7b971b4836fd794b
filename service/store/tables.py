"""The tables. Times are UTC, energies are per atom and of the named model, ids sort by time."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    and_,
    false,
    func,
    literal_column,
    true,
)

from service.domain.states import OPEN_JOB_STATES, ChunkKind, ChunkState, JobState
from service.store.columns import ID, OPTIONAL_JSON, UtcDateTime, choice, count, group, metadata, required

jobs = Table(
    "jobs",
    metadata,
    Column("id", ID, primary_key=True),
    group(),
    Column("key_id", Text, nullable=False, server_default=""),  # empty where no keys are asked for
    Column("request_id", Text, nullable=False, server_default=""),
    required("state", choice(JobState, "state")),
    required("spec", JSON),
    required("n", Integer),
    Column("atom_steps", BigInteger, nullable=False, server_default="0"),  # the most work that it can be
    Column("error", Text),
    required("created_at", UtcDateTime),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Index(None, "group_name", "id"),
    Index(None, "group_name", "state", "id"),
)

IS_OPEN: Final = jobs.c.state.in_([literal_column(f"'{state.value}'") for state in sorted(OPEN_JOB_STATES)])
Index("ix_jobs_open", *jobs.c["key_id", "atom_steps"], postgresql_where=IS_OPEN, sqlite_where=IS_OPEN)
"""What waits and runs, by who asked for it: read off, however long the queue."""

IS_DONE: Final = jobs.c.state.in_([literal_column("'succeeded'"), literal_column("'failed'")])
Index("ix_jobs_done", jobs.c.finished_at, postgresql_where=IS_DONE, sqlite_where=IS_DONE)
"""What workers have come to the end of, last first: how fast they are."""

chunks = Table(
    "chunks",
    metadata,
    Column("id", ID, primary_key=True),
    required("job_id", ID, ForeignKey("jobs.id")),
    required("kind", choice(ChunkKind, "kind")),
    required("state", choice(ChunkState, "state")),
    required("start", Integer),
    required("stop", Integer),
    count("attempt"),
    count("lost_attempts"),  # those that did not end well: the lease expired, the process died, an unexpected error
    Column("cause", Text),  # how the last of them ended
    count("announcements"),
    count("n_finished"),
    count("n_steps"),
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
    group(),
    required("job_id", ID, ForeignKey("jobs.id")),
    required("sample", Integer),
    required("model", Text),
    Column("model_fingerprint", Text),  # null where it was not recorded: such structures share no hull with others
    required("start", Text),
    Column("start_origin", Text),
    required("formula", Text),
    required("reduced_formula", Text),
    required("chemsys", Text),
    required("n_atoms", Integer),
    required("is_crystal", Boolean),
    Column("n_periodic", SmallInteger),  # cell vectors; null where a worker of the version before recorded it
    Column("volume_per_atom", Double),  # Å³; null for what is no crystal
    required("pseudo_energy_per_atom", Double),
    Column("formation_energy_per_atom", Double),  # eV/atom; null where the model estimates none
    Column("band_gap", Double),  # eV; null where there is no estimate
    required("ranking_energy", Double),  # the formation energy, else the pseudo energy: orders and hulls are of this
    Column("energy_above_hull", Double),  # null until analysed, and for what is no converged crystal
    required("converged", Boolean),
    required("n_steps", Integer),
    Column("space_group_number", Integer),
    Column("space_group_symbol", Text),
    Column("representative_id", ID, ForeignKey("structures.id")),  # null until analysed, its own id when it is unique
    Column("smiles", Text),  # null for what is no molecule, and where no bonds could be perceived
    Column("passes_checks", Boolean),  # null for what is no molecule
    Column("molecule", OPTIONAL_JSON),  # the rest of a MoleculeRecord
    required("created_at", UtcDateTime),
    required("is_matched", Boolean),  # whether it has a row in matches
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
Index(
    "ix_structures_smiles_id", *structures.c["group_name", "smiles", "id"], postgresql_where=_known, sqlite_where=_known
)

# A page is read off an index of its group, filter and order: it costs the same wherever it is, however long the list.
for _name, _filter, _rows in _LISTS:
    for _order in (("id",), ("ranking_energy", "id"), ("energy_above_hull", "id")):
        Index(
            "_".join(filter(None, ("ix_structures", _name, *_order))),
            *structures.c["group_name", *_filter, *_order],
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
    required("atoms", JSON),
)

chemical_system_elements = Table(
    "chemical_system_elements",
    metadata,
    Column("chemsys", Text, primary_key=True),
    Column("symbol", String(2), primary_key=True),
    Index(None, "symbol", "chemsys"),
)

compositions = Table(
    "compositions",
    metadata,
    Column("reduced_formula", Text, primary_key=True),
    required("chemsys", Text),
    required("n_elements", SmallInteger),
    required("anonymous_formula", Text),
    Index(None, "anonymous_formula"),
)
"""What was ever asked for, with what follows from a formula and is searched by."""

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("digest", ID, primary_key=True),
    required("fingerprint", String(64)),
    required("job_id", ID),  # no foreign key: it is bound before the job is stored
    required("created_at", UtcDateTime),
    Index(None, "created_at"),
)

failed_samples = Table(
    "failed_samples",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id"), primary_key=True),
    Column("sample", Integer, primary_key=True, autoincrement=False),
    required("reason", Text),
)

references = Table(
    "references",
    metadata,
    Column("id", ID, primary_key=True),
    group(),
    required("name", Text),
    required("source", Text),
    required("formula", Text),
    required("reduced_formula", Text),
    required("anonymous_formula", Text),
    required("chemsys", Text),
    required("n_atoms", Integer),
    required("atoms", JSON),
    required("created_at", UtcDateTime),
    Index(None, "reduced_formula"),
    Index(None, "anonymous_formula", "n_atoms"),
)

imports = Table(
    "imports",
    metadata,
    Column("id", ID, primary_key=True),
    required("group_name", Text),
    required("source", Text),
    required("selection", Text),
    required("version", Text),
    required("cursor", Text),  # where to go on
    count("n_new"),
    count("n_known"),
    count("n_skipped"),
    count("n_broken"),
    required("is_finished", Boolean),
    required("started_at", UtcDateTime),
    required("updated_at", UtcDateTime),
)

models = Table(
    "models",
    metadata,
    Column("group_name", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    required("card", Text),
    required("fingerprint", Text),
    required("content", LargeBinary),  # see rm_engine.spec.packing
    Column("job_id", ID, ForeignKey("jobs.id")),  # null for one that was uploaded
    required("created_at", UtcDateTime),
    Index(None, "job_id"),
)

trainings = Table(
    "trainings",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id"), primary_key=True),
    required("group_name", Text),
    required("model", Text),
    required("structures", JSON),
    Column("state", LargeBinary),  # to go on from; null before the first epoch and after the last
    Column("curve", OPTIONAL_JSON),  # the scores of every epoch
    Index(None, "group_name", "model"),
)

opinion_requests = Table(
    "opinion_requests",
    metadata,
    Column("job_id", ID, ForeignKey("jobs.id"), primary_key=True),
    required("structure_ids", JSON),  # in the order in which they are asked about
)

opinions = Table(
    "opinions",
    metadata,
    Column("structure_id", ID, ForeignKey("structures.id"), primary_key=True),
    required("job_id", ID, ForeignKey("jobs.id")),
    required("potential", Text),
    required("energy_per_atom", Double),  # eV
    Column("formation_energy_per_atom", Double),  # eV; null where an element's energy is not known
    required("volume_per_atom", Double),  # Å³
    required("is_kept", Boolean),  # whether it is still the same structure
    required("converged", Boolean),
    required("n_steps", Integer),
    required("atoms", JSON),
    required("created_at", UtcDateTime),
    Index(None, "job_id"),
)
"""What another potential made of structures; the latest of each."""

matches = Table(
    "matches",
    metadata,
    Column("structure_id", ID, ForeignKey("structures.id"), primary_key=True),
    Column("reference_id", ID, ForeignKey("references.id"), primary_key=True),
    required("rms", Double),
    Index(None, "reference_id"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),  # the public part of the key
    required("digest", String(64)),  # HMAC-SHA256 of the whole key
    required("name", Text),
    required("group_name", Text),
    required("scopes", JSON),
    Column("max_queued_atom_steps", BigInteger),  # null for as much as anybody's
    required("created_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_used_at", UtcDateTime),
)

workers = Table(
    "workers",
    metadata,
    Column("name", Text, primary_key=True),
    required("started_at", UtcDateTime),
    required("seen_at", UtcDateTime),
    Column("chunk_id", ID),  # what it runs; null while it waits
    required("details", JSON),
    required("counters", JSON),  # since it started
    Index(None, "seen_at"),
)
