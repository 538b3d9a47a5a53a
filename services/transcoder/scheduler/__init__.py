"""Tasks in fair order, leased to workers: SQL for the table of tasks."""
