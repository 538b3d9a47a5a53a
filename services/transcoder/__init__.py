"""Transcoder: turns an uploaded source into renditions that play anywhere.

Consumes VideoUploaded, VideoDeleted and its own events; owns the ``transcode`` category. A planner
process turns events into tasks, hands them out fairly and writes playlists; worker processes run
ffmpeg. Every task ends in an event or goes back to the queue.
"""
