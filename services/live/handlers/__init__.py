"""Commands on live streams and their sessions: load, decide, append, and keep the rows in step."""
