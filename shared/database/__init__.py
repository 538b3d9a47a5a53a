"""PostgreSQL: engines and pools, schemas and roles, Alembic migrations."""
