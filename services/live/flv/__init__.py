"""FLV tags: what every publisher's protocol is turned into, and what ffmpeg reads. Pure."""
