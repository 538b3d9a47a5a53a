"""Rate limits: token buckets that Redis counts for all gateways."""
