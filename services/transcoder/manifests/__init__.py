"""HLS playlists and DASH manifests, written from the facts of the log. Pure."""
