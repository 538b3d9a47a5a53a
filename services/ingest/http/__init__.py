"""Ingest's routes: the form, resumable uploads, and uploads straight to the bucket."""
