"""Ingest: bytes become a durable source object and one fact, VideoUploaded.

Owns the sources bucket, the schema ``ingest`` and the ``upload-`` streams. Emits UploadStarted,
VideoUploaded, UploadAborted, UploadRejected and UploadExpired; consumes VideoDeleted (the source
goes too) and UserDeleted (uploads under way end).
"""
