"""The services and the object storage behind the gateway."""
