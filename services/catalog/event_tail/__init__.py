"""Events as they happen: for requests that follow a video, and for gateways that keep answers."""
