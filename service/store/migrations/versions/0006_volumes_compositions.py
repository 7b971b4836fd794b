"""Volumes and periodicity of structures, and what follows from the formulas that were asked for."""

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

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1000

_structures = sa.table(
    "structures",
    *(sa.column(name) for name in ("id", "reduced_formula", "chemsys", "n_periodic", "volume_per_atom")),
)
_atoms = sa.table("structure_atoms", sa.column("structure_id"), sa.column("atoms", sa.JSON))


def upgrade() -> None:
    """Add and fill the columns and the table."""
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
    found = connection.execute(sa.select(_structures.c.reduced_formula, _structures.c.chemsys).distinct()).all()
    rows = [_describe(formula, chemsys) for formula, chemsys in found]
    if rows:
        op.bulk_insert(table, rows)
    measure = sa.update(_structures).where(_structures.c.id == sa.bindparam("key"))
    measure = measure.values(n_periodic=sa.bindparam("dimensions"), volume_per_atom=sa.bindparam("volume"))
    for measured in _measure(connection):
        connection.execute(measure, measured)


def downgrade() -> None:
    """Nothing is lost: volumes and patterns follow from the structures."""
    op.drop_table("compositions")
    op.drop_column("structures", "volume_per_atom")
    op.drop_column("structures", "n_periodic")


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
