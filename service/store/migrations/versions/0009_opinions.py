"""What other potentials make of structures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "opinion_requests",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("structure_ids", sa.JSON, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_opinion_requests_job_id"),
        sa.PrimaryKeyConstraint("job_id", name="pk_opinion_requests"),
    )
    op.create_table(
        "opinions",
        *(sa.Column(name, ID, nullable=False) for name in ("structure_id", "job_id")),
        sa.Column("potential", sa.Text, nullable=False),
        sa.Column("energy_per_atom", sa.Double, nullable=False),
        sa.Column("formation_energy_per_atom", sa.Double),
        sa.Column("volume_per_atom", sa.Double, nullable=False),
        *(sa.Column(name, sa.Boolean, nullable=False) for name in ("is_kept", "converged")),
        sa.Column("n_steps", sa.Integer, nullable=False),
        sa.Column("atoms", sa.JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["structure_id"], ["structures.id"], name="fk_opinions_structure_id"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_opinions_job_id"),
        sa.PrimaryKeyConstraint("structure_id", name="pk_opinions"),
    )
    op.create_index("ix_opinions_job_id", "opinions", ["job_id"])


def downgrade() -> None:
    """The opinions are gone, and the jobs that asked for them."""
    op.drop_table("opinions")
    tables = {name: sa.table(name, sa.column("job_id")) for name in ("opinion_requests", "chunks", "failed_samples")}
    ids = op.get_bind().scalars(sa.select(tables["opinion_requests"].c.job_id)).all()
    op.drop_table("opinion_requests")  # it refers to the jobs
    for name in ("chunks", "failed_samples"):
        op.execute(sa.delete(tables[name]).where(tables[name].c.job_id.in_(ids)))
    jobs = sa.table("jobs", sa.column("id"))
    op.execute(sa.delete(jobs).where(jobs.c.id.in_(ids)))
