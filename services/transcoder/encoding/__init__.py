"""Runs ffmpeg and ffprobe as sandboxed subprocesses with limits."""
