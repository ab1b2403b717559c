"""Alembic's migrations of the clinic's tables."""
