"""Access log, request metrics and tracing of the gateway."""
