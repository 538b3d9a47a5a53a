"""Rate limits: token buckets that are counted in Redis."""
