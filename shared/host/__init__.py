"""The host of every process: opens its resources, serves, runs its work, and ends it in order."""
