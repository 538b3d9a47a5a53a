"""Transcoder: turns an uploaded source into renditions for every player.

It consumes VideoUploaded, VideoDeleted and its own events, and writes the ``transcode`` category.
The coordinator (process ``planner``) turns events into tasks, dispatches them fairly and publishes
playlists; workers run ffmpeg. Every task ends in an event or goes back to its queue.
"""
