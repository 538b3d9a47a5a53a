"""What the gateway reads of a request: headers, path, client address, route."""
