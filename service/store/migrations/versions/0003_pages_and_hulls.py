"""Indexes for every filter and order of the lists, atoms apart from what lists read, columns for matched and unique."""

from __future__ import annotations

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
    _index_lists()
    if op.get_context().dialect.name == "postgresql":  # it takes what always goes together to be independent
        op.execute(f"CREATE STATISTICS structures_flags (dependencies, mcv) ON {', '.join(FLAGS)} FROM structures")


structures = sa.table(
    "structures",
    *(sa.column(name) for name in ("id", "representative_id", "smiles", "energy_above_hull")),
    *(sa.column(name, sa.Boolean) for name in ("is_matched", "is_unique", "is_crystal", "converged", "passes_checks")),
)


def _index_lists() -> None:
    columns = structures.c
    is_on_hull = sa.and_(columns.energy_above_hull <= sa.literal_column("1e-06"), columns.is_crystal == sa.true())
    op.drop_index("ix_structures_smiles_id", "structures")
    _index("smiles", ("smiles", "id"), columns.smiles.is_not(None))
    for order in ORDERS:
        _index("chemsys", ("chemsys", *order))
        _index("matched", order, columns.is_matched == sa.true())
        _index("unconverged", order, columns.converged == sa.false())
        _index("examined", ("passes_checks", *order), columns.passes_checks.is_not(None))
        _index("on_hull", order, is_on_hull)
        if order != ("ranking_energy", "id"):  # these are there
            _index("reduced_formula", ("reduced_formula", *order))
            _index("model", ("model", *order))


def _index(name: str, columns: tuple[str, ...], rows: sa.ColumnElement[bool] | None = None) -> None:
    order = columns if columns in ORDERS else columns[1:]
    full_name = f"ix_structures_{name}_{'_'.join(order)}"
    op.create_index(full_name, "structures", columns, postgresql_where=rows, sqlite_where=rows)
