"""What ingest does: receive a form, resume an upload, finish, end and sweep."""
