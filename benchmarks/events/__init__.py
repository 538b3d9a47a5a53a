"""The event log's speed: ``make bench-events``."""
