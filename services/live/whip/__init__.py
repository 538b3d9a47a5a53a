"""Publishers by WebRTC (WHIP): H.264 and Opus, through aiortc."""
