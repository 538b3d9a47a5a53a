"""The catalog: the API of videos, jobs, tags, users, feeds and webhooks.

Owns the read models (schema ``catalog``) and the ``video-`` streams: DetailsChanged, TagsAdded,
TagRemoved, VisibilityChanged, ViewsCounted, VideoDeleted. Consumes every event of every service.
"""
