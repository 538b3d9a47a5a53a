"""Code that at least two services use: contracts, event store, messaging, HTTP, object storage."""
