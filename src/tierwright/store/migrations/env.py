"""What Alembic executes to run the migrations: on the connection and in the transaction it is given."""

from alembic import context

from tierwright.store.schema import METADATA, VERSION_TABLE

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    version_table=VERSION_TABLE,
    # Said, because Alembic assumes the contrary of SQLite: the transaction is begun by us, and holds DDL too.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
