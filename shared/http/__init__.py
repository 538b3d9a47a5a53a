"""What every HTTP service shares: envelope, errors, identity, paging, health, metrics, server."""
