"""The catalog: what everyone sees of videos, jobs, tags, users and their channels.

Owns the read models (schema ``catalog``) and the ``video-`` streams: DetailsChanged, TagsAdded,
TagRemoved, VisibilityChanged, ViewsCounted, VideoDeleted. Consumes every event of every service.
"""
