"""Drawn figures of reading studies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "reading_figures",
        sa.Column("reading_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("drawn", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reading_id"], ["reading_studies.id"], name=op.f("fk_reading_figures_reading_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("reading_id", "name", name=op.f("pk_reading_figures")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("reading_figures")
