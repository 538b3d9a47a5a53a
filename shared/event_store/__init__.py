"""The event log: append, read, project. Services depend on the port in ``store``."""
