"""Runs migrations on the connection, and within the transaction, of `guard.store.migrate`."""

from alembic import context

from guard.store.migrate import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
context.run_migrations()
