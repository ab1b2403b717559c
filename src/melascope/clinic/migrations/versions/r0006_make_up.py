"""Whether make-up is worn at a visit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    kind = sa.Enum("off", "worn", name="makeup", native_enum=False, length=16)
    op.add_column("visits", sa.Column("make_up", kind, nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("visits") as batch:
        batch.drop_column("make_up")
