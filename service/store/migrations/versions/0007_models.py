"""Models of a group's own, and the trainings that make them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "models",
        *(sa.Column(name, sa.Text, nullable=False) for name in ("group_name", "name", "card", "fingerprint")),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.Column("job_id", ID),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_models_job_id"),
        sa.PrimaryKeyConstraint("group_name", "name", name="pk_models"),
    )
    op.create_index("ix_models_job_id", "models", ["job_id"])
    op.create_table(
        "trainings",
        sa.Column("job_id", ID, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("group_name", "model")),
        sa.Column("structures", sa.JSON, nullable=False),
        sa.Column("state", sa.LargeBinary),
        sa.Column("curve", sa.JSON),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_trainings_job_id"),
        sa.PrimaryKeyConstraint("job_id", name="pk_trainings"),
    )
    op.create_index("ix_trainings_group_name_model", "trainings", ["group_name", "model"])


def downgrade() -> None:
    """Models that were trained or uploaded are gone, and the jobs of their trainings."""
    op.drop_table("models")
    jobs = sa.table("jobs", sa.column("id"))
    chunks = sa.table("chunks", sa.column("job_id"))
    trainings = sa.table("trainings", sa.column("job_id"))
    ids = op.get_bind().scalars(sa.select(trainings.c.job_id)).all()
    op.drop_table("trainings")  # it refers to the jobs
    op.execute(sa.delete(chunks).where(chunks.c.job_id.in_(ids)))
    op.execute(sa.delete(jobs).where(jobs.c.id.in_(ids)))
