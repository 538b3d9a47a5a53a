"""HTTP for every service: envelope, errors, identity, paging, health, metrics, server."""
