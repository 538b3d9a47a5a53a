"""Access log, metrics and traces of requests."""
