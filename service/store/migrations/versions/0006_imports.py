"""How far imports of known structures have come."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

ID = sa.String(64).with_variant(sa.String(64, collation="C"), "postgresql")
TEXTS = ("group_name", "source", "selection", "version", "cursor")
COUNTS = ("n_new", "n_known", "n_skipped", "n_broken")


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "imports",
        sa.Column("id", ID, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in TEXTS),
        *(sa.Column(name, sa.Integer, nullable=False) for name in COUNTS),
        sa.Column("is_finished", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.DateTime(timezone=True), nullable=False) for name in ("started_at", "updated_at")),
        sa.PrimaryKeyConstraint("id", name="pk_imports"),
    )


def downgrade() -> None:
    """What was imported stays; an import that was broken off begins again."""
    op.drop_table("imports")
