"""Floor 2: the Store protocols on SQLite and PostgreSQL. Imports core; meets other stages only through nouns."""
