"""The durable log: append, read, project. Services use the port in ``store``; ``main`` wires."""
