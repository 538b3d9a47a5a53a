"""The hot window: the last minute of a session in memory, and the playlists of it."""
