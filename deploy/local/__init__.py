"""Everything on one machine, without Docker: real parts, the services, and their supervisor."""
