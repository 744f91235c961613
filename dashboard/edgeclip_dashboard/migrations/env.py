"""What Alembic runs: the versions that are missing, on a connection whose transaction is open."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
