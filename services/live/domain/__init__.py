"""The deciders of live streams and of their sessions. Pure."""
