"""Live: a person publishes, viewers follow within seconds, and the session becomes a video.

Owns the schema ``live``, the ``live-`` and ``livesession-`` streams, and the objects below
``{video_id}/live/`` in the media bucket.
"""
