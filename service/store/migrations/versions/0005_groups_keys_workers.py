"""Groups, keys, quotas, workers' reports, causes of failed attempts; volumes, and what follows from formulas.

What is there already belongs to the public group. A worker of the version before writes into it: replace it before the
first key is made.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import reduce
from math import gcd
from string import ascii_uppercase
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
GROUPED = ("jobs", "structures", "references")
ROWS_AT_ONCE = 1000
_measured = sa.table(
    "structures",
    *(sa.column(name) for name in ("id", "reduced_formula", "chemsys", "n_periodic", "volume_per_atom")),
)
_atoms = sa.table("structure_atoms", sa.column("structure_id"), sa.column("atoms", sa.JSON))
OPEN_JOBS = sa.text("state IN ('queued', 'running')")
DONE_JOBS = sa.text("state IN ('succeeded', 'failed')")

_structures = sa.table(
    "structures",
    *(sa.column(name) for name in ("smiles", "energy_above_hull")),
    *(sa.column(name, sa.Boolean) for name in ("is_matched", "is_crystal", "converged", "passes_checks")),
)
_is_on_hull = sa.and_(
    _structures.c.energy_above_hull <= sa.literal_column("1e-06"), _structures.c.is_crystal == sa.true()
)
ORDERS = (("id",), ("ranking_energy", "id"), ("energy_above_hull", "id"))
LISTS = (
    ("", (), None),
    ("reduced_formula", ("reduced_formula",), None),
    ("chemsys", ("chemsys",), None),
    ("model", ("model",), None),
    ("matched", (), _structures.c.is_matched == sa.true()),
    ("unconverged", (), _structures.c.converged == sa.false()),
    ("examined", ("passes_checks",), _structures.c.passes_checks.is_not(None)),
    ("on_hull", (), _is_on_hull),
)


def upgrade() -> None:
    """Add groups, and let them lead every index of lists; add keys, workers, volumes and compositions."""
    for table in GROUPED:
        op.add_column(table, sa.Column("group_name", sa.Text, nullable=False, server_default="public"))
    for column in (
        sa.Column("key_id", sa.Text, nullable=False, server_default=""),
        sa.Column("request_id", sa.Text, nullable=False, server_default=""),
        sa.Column("atom_steps", sa.BigInteger, nullable=False, server_default="0"),
    ):
        op.add_column("jobs", column)
    op.add_column("chunks", sa.Column("cause", sa.Text))
    op.drop_index("ix_jobs_state_id", "jobs")
    op.create_index("ix_jobs_group_name_id", "jobs", ["group_name", "id"])
    op.create_index("ix_jobs_group_name_state_id", "jobs", ["group_name", "state", "id"])
    op.create_index(
        "ix_jobs_open", "jobs", ["key_id", "atom_steps"], postgresql_where=OPEN_JOBS, sqlite_where=OPEN_JOBS
    )
    op.create_index("ix_jobs_done", "jobs", ["finished_at"], postgresql_where=DONE_JOBS, sqlite_where=DONE_JOBS)
    _replace_lists((), ("group_name",))
    _create_keys()
    _create_workers()
    _add_volumes_and_compositions()


def downgrade() -> None:
    """Everything becomes everyone's; keys, causes and workers' reports are gone."""
    op.drop_table("compositions")
    op.drop_column("structures", "volume_per_atom")
    op.drop_column("structures", "n_periodic")
    op.drop_table("workers")
    op.drop_table("api_keys")
    _replace_lists(("group_name",), ())
    for name in ("ix_jobs_done", "ix_jobs_open", "ix_jobs_group_name_state_id", "ix_jobs_group_name_id"):
        op.drop_index(name, "jobs")
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"])
    op.drop_column("chunks", "cause")
    for name in ("key_id", "request_id", "atom_steps"):
        op.drop_column("jobs", name)
    for table in GROUPED:
        op.drop_column(table, "group_name")


def _lists(leading: tuple[str, ...]) -> Iterator[tuple[str, list[str], Any]]:
    """Name, columns and rows of each index of the lists of structures; the order of ids alone is the primary key."""
    yield "ix_structures_smiles_id", [*leading, "smiles", "id"], _structures.c.smiles.is_not(None)
    for name, columns, rows in LISTS:
        for order in ORDERS:
            if (*leading, name, *order) != ("", "id"):
                yield "_".join(filter(None, ("ix_structures", name, *order))), [*leading, *columns, *order], rows


def _replace_lists(old: tuple[str, ...], new: tuple[str, ...]) -> None:
    """Let other columns lead every index of the lists."""
    for name, _, _ in _lists(old):
        op.drop_index(name, "structures")
    for name, columns, rows in _lists(new):
        op.create_index(name, "structures", columns, postgresql_where=rows, sqlite_where=rows)


def _create_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("group_name", sa.Text, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("max_queued_atom_steps", sa.BigInteger),
        sa.Column("created_at", TIME, nullable=False),
        *(sa.Column(name, TIME) for name in ("expires_at", "revoked_at", "last_used_at")),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )


def _create_workers() -> None:
    op.create_table(
        "workers",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("started_at", TIME, nullable=False),
        sa.Column("seen_at", TIME, nullable=False),
        sa.Column("chunk_id", ID),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("counters", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_workers"),
    )
    op.create_index("ix_workers_seen_at", "workers", ["seen_at"])


def _add_volumes_and_compositions() -> None:
    op.add_column("structures", sa.Column("n_periodic", sa.SmallInteger))
    op.add_column("structures", sa.Column("volume_per_atom", sa.Double))
    table = op.create_table(
        "compositions",
        sa.Column("reduced_formula", sa.Text, nullable=False),
        sa.Column("chemsys", sa.Text, nullable=False),
        sa.Column("n_elements", sa.SmallInteger, nullable=False),
        sa.Column("anonymous_formula", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("reduced_formula", name="pk_compositions"),
    )
    op.create_index("ix_compositions_anonymous_formula", "compositions", ["anonymous_formula"])
    connection = op.get_bind()
    found = connection.execute(sa.select(_measured.c.reduced_formula, _measured.c.chemsys).distinct()).all()
    rows = [_describe(formula, chemsys) for formula, chemsys in found]
    if rows:
        op.bulk_insert(table, rows)
    measure = sa.update(_measured).where(_measured.c.id == sa.bindparam("key"))
    measure = measure.values(n_periodic=sa.bindparam("dimensions"), volume_per_atom=sa.bindparam("volume"))
    for measured in _measure(connection):
        connection.execute(measure, measured)


def _measure(connection: sa.Connection) -> Iterator[list[dict[str, Any]]]:
    """Periodicity and volume of every structure, some at a time, in the order of their ids."""
    last = ""
    query = sa.select(_atoms.c.structure_id, _atoms.c.atoms).order_by(_atoms.c.structure_id).limit(ROWS_AT_ONCE)
    while rows := connection.execute(query.where(_atoms.c.structure_id > last)).all():
        yield [{"key": key, **_dimensions(atoms)} for key, atoms in rows]
        last = rows[-1][0]


def _dimensions(atoms: str | dict[str, Any]) -> dict[str, Any]:
    content = json.loads(atoms) if isinstance(atoms, str) else atoms
    periodic = content.get("periodic", [])
    is_crystal = len(periodic) == 3 and all(periodic)
    return {"dimensions": sum(map(bool, periodic)), "volume": _volume_per_atom(content) if is_crystal else None}


def _volume_per_atom(atoms: dict[str, Any]) -> float:
    (a, b, c), n_atoms = atoms["cell"], len(atoms["numbers"])
    volume = sum(a[i] * (b[(i + 1) % 3] * c[(i + 2) % 3] - b[(i + 2) % 3] * c[(i + 1) % 3]) for i in range(3))
    return float(abs(volume) / n_atoms)


def _describe(formula: str, chemsys: str) -> dict[str, Any]:
    """A row of the table: reduced counts in ascending order on the letters A, B, ..., e.g. ``LiS2`` as ``AB2``."""
    counts = sorted(int(count or 1) for count in re.findall(r"[A-Z][a-z]?(\d*)", formula))
    divisor = reduce(gcd, counts)
    letters = zip(ascii_uppercase, (count // divisor for count in counts), strict=False)
    pattern = "".join(f"{letter}{count if count > 1 else ''}" for letter, count in letters)
    return {
        "reduced_formula": formula,
        "chemsys": chemsys,
        "n_elements": len(counts),
        "anonymous_formula": pattern,
    }
