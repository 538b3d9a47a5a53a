"""How many people watch a running live: counted by gateways in Redis, read by services."""
