"""What Alembic runs: the connection is the one that `server.storage.migrate` holds, in its open transaction."""

from alembic import context

from server.storage.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
