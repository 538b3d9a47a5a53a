"""RabbitMQ: topology, connection, publishing (relay) and consuming (inbox)."""
