"""Runs migrations on the connection that `Database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from melascope.clinic.tables import Base


def run() -> None:
    """Apply what is asked for."""
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=Base.metadata,
        render_as_batch=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # as Alembic names it; anything else only reads this file
    run()
