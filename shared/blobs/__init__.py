"""Objects in a bucket: the port (``store``) and its S3 adapter (``s3``)."""
