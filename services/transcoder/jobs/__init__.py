"""SQL for jobs, and for how often they may be tried again."""
