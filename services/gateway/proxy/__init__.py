"""The gateway as an ASGI application: the steps that every request takes."""
