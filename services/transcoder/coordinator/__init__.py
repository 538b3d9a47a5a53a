"""The coordinator process: dispatches tasks, publishes playlists, compacts and reconciles."""
