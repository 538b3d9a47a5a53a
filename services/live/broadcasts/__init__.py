"""Broadcasts: the sessions that this replica owns, from the publisher to window and recording."""
