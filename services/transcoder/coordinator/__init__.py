"""The coordinator process: dispatches tasks, publishes manifests, compacts and reconciles."""
