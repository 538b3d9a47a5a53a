"""What the Tiltfile calls."""
