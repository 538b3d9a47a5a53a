"""What ffmpeg and ffprobe are asked to do, and what they answer."""
