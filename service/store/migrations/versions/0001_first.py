"""Jobs, chunks, structures, references, matches; terminal states are kept by the database itself."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
TIME = sa.DateTime(timezone=True)
TERMINAL = "('succeeded', 'failed', 'cancelled')"


def upgrade() -> None:
    """Create everything."""
    _create_jobs()
    _create_structures()
    _create_references()
    for table in ("jobs", "chunks"):
        _guard_terminal_states(table)


def downgrade() -> None:
    """Everything is lost."""
    for name in ("matches", "references", "chemical_system_elements", "failed_samples", "structures", "chunks", "jobs"):
        op.drop_table(name)
    if op.get_context().dialect.name == "postgresql":
        for table in ("jobs", "chunks"):
            op.execute(f"DROP FUNCTION {table}_refuse_change()")


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", ID, nullable=False),
        sa.Column("state", _choice("state", "queued", "running", "succeeded", "failed", "cancelled"), nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("n", sa.Integer, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    _index("jobs", "state", "id")
    states = ("waiting", "queued", "running", "succeeded", "failed", "cancelled")
    counts = ("start", "stop", "attempt", "lost_attempts", "announcements", "n_finished", "n_steps")
    op.create_table(
        "chunks",
        sa.Column("id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("kind", _choice("kind", "generate", "analyse"), nullable=False),
        sa.Column("state", _choice("state", *states), nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in counts),
        sa.Column("worker", sa.Text),
        sa.Column("lease_expires_at", TIME),
        sa.Column("due_at", TIME),
        sa.Column("error", sa.Text),
        sa.CheckConstraint("start < stop", name=op.f("ck_chunks_not_empty")),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_chunks_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_chunks"),
    )
    _index("chunks", "job_id")
    _index("chunks", "due_at")
    op.create_table(
        "failed_samples",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("sample", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_failed_samples_job_id"),
        sa.PrimaryKeyConstraint("job_id", "sample", name="pk_failed_samples"),
    )


def _create_structures() -> None:
    op.create_table(
        "structures",
        sa.Column("id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("sample", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("model", "formula", "reduced_formula", "chemsys")),
        sa.Column("n_atoms", sa.Integer, nullable=False),
        sa.Column("is_crystal", sa.Boolean, nullable=False),
        sa.Column("pseudo_energy_per_atom", sa.Double, nullable=False),
        sa.Column("energy_above_hull", sa.Double),
        sa.Column("converged", sa.Boolean, nullable=False),
        sa.Column("n_steps", sa.Integer, nullable=False),
        sa.Column("space_group_number", sa.Integer),
        sa.Column("space_group_symbol", sa.Text),
        sa.Column("representative_id", ID),
        sa.Column("atoms", sa.JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_structures_job_id"),
        sa.ForeignKeyConstraint(["representative_id"], ["structures.id"], name="fk_structures_representative_id"),
        sa.PrimaryKeyConstraint("id", name="pk_structures"),
        sa.UniqueConstraint("job_id", "sample", name="uq_structures_job_id_sample"),
    )
    _index("structures", "chemsys", "model", "energy_above_hull")
    _index("structures", "reduced_formula", "pseudo_energy_per_atom", "id")
    _index("structures", "model", "pseudo_energy_per_atom", "id")
    _index("structures", "pseudo_energy_per_atom", "id")
    _index("structures", "energy_above_hull", "id")
    op.create_table(
        "chemical_system_elements",
        sa.Column("chemsys", sa.Text, nullable=False),
        sa.Column("symbol", sa.String(2), nullable=False),
        sa.PrimaryKeyConstraint("chemsys", "symbol", name="pk_chemical_system_elements"),
    )
    _index("chemical_system_elements", "symbol", "chemsys")


def _create_references() -> None:
    texts = ("name", "source", "formula", "reduced_formula", "chemsys")
    op.create_table(
        "references",
        sa.Column("id", ID, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("n_atoms", sa.Integer, nullable=False),
        sa.Column("atoms", sa.JSON, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_references"),
    )
    _index("references", "reduced_formula")
    op.create_table(
        "matches",
        sa.Column("structure_id", ID, nullable=False),
        sa.Column("reference_id", ID, nullable=False),
        sa.Column("rms", sa.Double, nullable=False),
        sa.ForeignKeyConstraint(["reference_id"], ["references.id"], name="fk_matches_reference_id"),
        sa.ForeignKeyConstraint(["structure_id"], ["structures.id"], name="fk_matches_structure_id"),
        sa.PrimaryKeyConstraint("structure_id", "reference_id", name="pk_matches"),
    )
    _index("matches", "reference_id")


def _choice(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, create_constraint=True, length=16)


def _index(table: str, *columns: str) -> None:
    op.create_index(f"ix_{table}_{'_'.join(columns)}", table, columns)


def _guard_terminal_states(table: str) -> None:
    """Refuse to move a row of ``table`` out of a terminal state, whoever asks."""
    message = f"a terminal state of {table} never changes"
    condition = f"OLD.state IN {TERMINAL} AND NEW.state <> OLD.state"
    trigger = f"CREATE TRIGGER {table}_terminal_state BEFORE UPDATE OF state ON {table} FOR EACH ROW WHEN ({condition})"
    if op.get_context().dialect.name == "sqlite":
        op.execute(f"{trigger} BEGIN SELECT RAISE(ABORT, '{message}'); END")
        return
    op.execute(
        f"CREATE FUNCTION {table}_refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    op.execute(f"{trigger} EXECUTE FUNCTION {table}_refuse_change()")
