"""The way from one version of the schema to the next, as Alembic scripts; run by `tierwright.store.upgrade`."""
