"""Ingest: bytes become a durable source object and one event, VideoUploaded.

Owns the sources bucket, the schema ``ingest`` and the ``upload-`` streams. Emits UploadStarted,
VideoUploaded, UploadAborted, UploadRejected and UploadExpired; consumes VideoDeleted (its source
is deleted) and UserDeleted (open uploads end).
"""
