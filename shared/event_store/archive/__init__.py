"""The archive of the log in a bucket: written, verified, restored."""
