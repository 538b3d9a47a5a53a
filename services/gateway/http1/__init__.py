"""The HTTP/1.1 client with which the gateway speaks to its upstreams."""
