"""What at least two services use: contracts, event store, messaging, HTTP defaults, blobs."""
