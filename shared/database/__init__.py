"""PostgreSQL: engines and pools, schemas and roles, and each module's Alembic migrations."""
