"""The worker process: claims tasks and performs one kind of task per module."""
