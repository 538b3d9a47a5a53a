"""Object storage: the port (``store``) and its S3 adapter (``s3``)."""
