"""Backups of an installation: its database and its buckets, sealed, at another place."""
