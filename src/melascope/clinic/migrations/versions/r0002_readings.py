"""Blinded reading studies."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_SQLITE = """
CREATE TRIGGER scores_no_update BEFORE UPDATE ON scores
BEGIN SELECT RAISE(ABORT, 'scores can only be added'); END
"""
_POSTGRES_FUNCTION = """
CREATE FUNCTION scores_are_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'scores can only be added'; END $$
"""
_POSTGRES = """
CREATE TRIGGER scores_no_update BEFORE UPDATE ON scores
FOR EACH STATEMENT EXECUTE FUNCTION scores_are_append_only()
"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "reading_studies",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("study_id", sa.String(length=32), nullable=False),
        sa.Column("first_id", sa.String(length=32), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("twice", sa.Integer(), nullable=False),
        sa.Column("chosen", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=32), nullable=False),
        sa.Column("closed", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_by", sa.String(length=32), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["closed_by"], ["users.id"], name=op.f("fk_reading_studies_closed_by")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_reading_studies_created_by")),
        sa.ForeignKeyConstraint(
            ["first_id"], ["reading_studies.id"], name=op.f("fk_reading_studies_first_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["study_id"], ["studies.id"], name=op.f("fk_reading_studies_study_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reading_studies")),
    )
    with op.batch_alter_table("reading_studies", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reading_studies_first_id"), ["first_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_reading_studies_study_id"), ["study_id"], unique=False)

    op.create_table(
        "raters",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("reading_id", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("signed", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["reading_id"], ["reading_studies.id"], name=op.f("fk_raters_reading_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_raters_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_raters")),
        sa.UniqueConstraint("reading_id", "user_id", name=op.f("uq_raters_reading_id_user_id")),
    )
    with op.batch_alter_table("raters", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_raters_user_id"), ["user_id"], unique=False)

    op.create_table(
        "showings",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("rater_id", sa.String(length=32), nullable=False),
        sa.Column("photo_id", sa.String(length=32), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("again", sa.Boolean(), nullable=False),
        sa.Column("saved", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["photo_id"], ["photos.id"], name=op.f("fk_showings_photo_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["rater_id"], ["raters.id"], name=op.f("fk_showings_rater_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_showings")),
        sa.UniqueConstraint("rater_id", "place", name=op.f("uq_showings_rater_id_place")),
    )
    with op.batch_alter_table("showings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_showings_photo_id"), ["photo_id"], unique=False)

    op.create_table(
        "scores",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("showing_id", sa.String(length=32), nullable=False),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.Column("unreadable", sa.String(length=16), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["showing_id"], ["showings.id"], name=op.f("fk_scores_showing_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scores")),
    )
    with op.batch_alter_table("scores", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_scores_showing_id"), ["showing_id"], unique=False)
    if op.get_bind().dialect.name == "sqlite":
        op.execute(_SQLITE)
    else:
        op.execute(_POSTGRES_FUNCTION)
        op.execute(_POSTGRES)


def downgrade() -> None:
    """Undo."""
    for table in ("scores", "showings", "raters", "reading_studies"):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION scores_are_append_only()")
