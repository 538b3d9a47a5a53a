"""RabbitMQ: one topology, one way to connect, the relay that publishes, the inbox that reads."""
