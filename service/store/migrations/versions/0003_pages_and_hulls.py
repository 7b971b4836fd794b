"""Indexes for every filter and order of the lists, atoms apart from what lists read, columns for matched and unique."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
FLAGS = ("model", "model_fingerprint", "start", "is_crystal", "converged", "passes_checks", "is_matched", "is_unique")
ORDERS = (("id",), ("ranking_energy", "id"), ("energy_above_hull", "id"))


def upgrade() -> None:
    """Move the atoms, mark what is matched, and index."""
    op.create_table(
        "structure_atoms",
        sa.Column("structure_id", ID, nullable=False),
        sa.Column("atoms", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(["structure_id"], ["structures.id"], name="fk_structure_atoms_structure_id"),
        sa.PrimaryKeyConstraint("structure_id", name="pk_structure_atoms"),
    )
    op.execute("INSERT INTO structure_atoms (structure_id, atoms) SELECT id, atoms FROM structures")
    op.drop_column("structures", "atoms")
    op.add_column("structures", sa.Column("is_matched", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("structures", sa.Column("is_unique", sa.Boolean))
    op.execute(sa.update(structures).values(is_unique=structures.c.representative_id == structures.c.id))
    op.execute(
        sa.update(structures)
        .where(structures.c.id.in_(sa.select(sa.column("structure_id")).select_from(sa.table("matches"))))
        .values(is_matched=True)
    )
    op.drop_index("ix_structures_chemsys_model_energy_above_hull", "structures")
    op.drop_index("ix_structures_smiles_id", "structures")
    for name, columns, rows in _lists():
        op.create_index(name, "structures", columns, postgresql_where=rows, sqlite_where=rows)
    if op.get_context().dialect.name == "postgresql":  # it takes what always goes together to be independent
        op.execute(f"CREATE STATISTICS structures_flags (dependencies, mcv) ON {', '.join(FLAGS)} FROM structures")


structures = sa.table(
    "structures",
    *(sa.column(name) for name in ("id", "representative_id", "smiles", "energy_above_hull")),
    *(sa.column(name, sa.Boolean) for name in ("is_matched", "is_unique", "is_crystal", "converged", "passes_checks")),
)


def downgrade() -> None:
    """Move the atoms back; nothing is lost."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP STATISTICS structures_flags")
    for name, _, _ in _lists():
        op.drop_index(name, "structures")
    op.create_index("ix_structures_smiles_id", "structures", ["smiles", "id"])
    op.create_index(
        "ix_structures_chemsys_model_energy_above_hull", "structures", ["chemsys", "model", "energy_above_hull"]
    )
    op.drop_column("structures", "is_unique")
    op.drop_column("structures", "is_matched")
    op.add_column("structures", sa.Column("atoms", sa.JSON, nullable=False, server_default="{}"))
    op.execute(
        "UPDATE structures SET atoms = (SELECT atoms FROM structure_atoms WHERE structure_id = structures.id) "
        "WHERE id IN (SELECT structure_id FROM structure_atoms)"
    )
    op.drop_table("structure_atoms")


def _lists() -> Iterator[tuple[str, list[str], Any]]:
    """Name, columns and rows of each index."""
    columns = structures.c
    is_on_hull = sa.and_(columns.energy_above_hull <= sa.literal_column("1e-06"), columns.is_crystal == sa.true())
    yield "ix_structures_smiles_id", ["smiles", "id"], columns.smiles.is_not(None)
    for order in ORDERS:
        for name, filters, rows in (
            ("chemsys", ["chemsys"], None),
            ("matched", [], columns.is_matched == sa.true()),
            ("unconverged", [], columns.converged == sa.false()),
            ("examined", ["passes_checks"], columns.passes_checks.is_not(None)),
            ("on_hull", [], is_on_hull),
            ("reduced_formula", ["reduced_formula"], None),
            ("model", ["model"], None),
        ):
            if name not in ("reduced_formula", "model") or order != ("ranking_energy", "id"):  # these are there
                yield f"ix_structures_{name}_{'_'.join(order)}", [*filters, *order], rows
