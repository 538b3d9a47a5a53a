"""Programs of others: found, confined, run and ended."""
