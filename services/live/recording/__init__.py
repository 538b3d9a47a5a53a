"""Recording: whole segments go to the bucket, then into the log; at the end they are the video."""
