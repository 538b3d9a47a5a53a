"""The Helm chart and what writes and checks it."""
