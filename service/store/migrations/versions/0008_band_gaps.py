"""Estimates of band gaps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; of structures that are there nothing is known."""
    op.add_column("structures", sa.Column("band_gap", sa.Double))


def downgrade() -> None:
    """The estimates are gone."""
    op.drop_column("structures", "band_gap")
