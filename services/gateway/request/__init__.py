"""What the gateway knows of a request, and how it is answered."""
