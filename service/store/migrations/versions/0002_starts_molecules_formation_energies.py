"""Kinds of start, examined molecules, formation energies, fingerprints of models; stoichiometry patterns of references.

What is stored already has started at random and is ranked by its pseudo energy. Nobody knows which weights made it, so
it gets no fingerprint.
"""

from __future__ import annotations

import re
from functools import reduce
from math import gcd
from string import ascii_uppercase
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROWS_AT_ONCE = 1000


def upgrade() -> None:
    """Add the columns, fill them, and let the indexes by energy follow the energy that ranks."""
    _extend_structures()
    _extend_references()


def downgrade() -> None:
    """Kinds of start, examined molecules, formation energies and fingerprints are lost."""
    op.drop_index("ix_references_anonymous_formula_n_atoms", "references")
    op.drop_column("references", "anonymous_formula")
    _drop_index("structures", "smiles", "id")
    for leading in (("reduced_formula",), ("model",), ()):
        _drop_index("structures", *leading, "ranking_energy", "id")
        _index("structures", *leading, "pseudo_energy_per_atom", "id")
    for column in _new_columns():
        op.drop_column("structures", column.name)


def _new_columns() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("model_fingerprint", sa.Text),
        sa.Column("start", sa.Text, nullable=False, server_default="random"),
        sa.Column("start_origin", sa.Text),
        sa.Column("formation_energy_per_atom", sa.Double),
        sa.Column("ranking_energy", sa.Double, nullable=False, server_default=sa.text("0")),
        sa.Column("smiles", sa.Text),
        sa.Column("passes_checks", sa.Boolean),
        sa.Column("molecule", sa.JSON),
    )


def _extend_structures() -> None:
    for column in _new_columns():
        op.add_column("structures", column)
    op.execute("UPDATE structures SET ranking_energy = pseudo_energy_per_atom")
    for leading in (("reduced_formula",), ("model",), ()):
        _drop_index("structures", *leading, "pseudo_energy_per_atom", "id")
        _index("structures", *leading, "ranking_energy", "id")
    _index("structures", "smiles", "id")


def _extend_references() -> None:
    op.add_column("references", sa.Column("anonymous_formula", sa.Text, nullable=False, server_default=""))
    table = sa.table("references", sa.column("id"), sa.column("formula"), sa.column("anonymous_formula"))
    connection = op.get_bind()
    rows = connection.execute(sa.select(table.c.id, table.c.formula)).all()
    statement = sa.update(table).where(table.c.id == sa.bindparam("key"))
    for first in range(0, len(rows), ROWS_AT_ONCE):
        patterns = [{"key": key, "pattern": _pattern(formula)} for key, formula in rows[first : first + ROWS_AT_ONCE]]
        connection.execute(statement.values(anonymous_formula=sa.bindparam("pattern")), patterns)
    _index("references", "anonymous_formula", "n_atoms")


def _pattern(formula: str) -> str:
    """Reduced counts in ascending order on the letters A, B, ..., e.g. ``Li4S2`` as ``AB2``."""
    counts = [int(count or 1) for count in re.findall(r"[A-Z][a-z]?(\d*)", formula)]
    divisor = reduce(gcd, counts)
    reduced = sorted(count // divisor for count in counts)
    return "".join(
        f"{letter}{count if count > 1 else ''}" for letter, count in zip(ascii_uppercase, reduced, strict=False)
    )


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def _drop_index(table: str, *columns: str) -> None:
    op.drop_index(f"ix_{table}_{'_'.join(columns)}", table)
