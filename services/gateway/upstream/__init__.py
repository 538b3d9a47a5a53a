"""The services behind the gateway, and object storage."""
