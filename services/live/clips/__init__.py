"""Clips: the last seconds of a session as a video of their own, without encoding."""
