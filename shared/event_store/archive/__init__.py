"""The archive of the log in a bucket: writing, verifying, restoring."""
