"""Publishers by SRT: MPEG-TS, through libsrt."""
