"""Webhooks: registration, storage, and delivery of a user's events."""
