"""RTMP: receives from publishers such as OBS and ffmpeg. It never sends media."""
