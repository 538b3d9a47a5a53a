"""What the relay reads from its environment."""

from shared.settings import Address, Secret, Settings


class RelaySettings(Settings, frozen=True, kw_only=True):
    """``metrics_bind`` serves /health, /ready and /metrics."""

    database_url: Secret
    amqp_url: Secret
    metrics_bind: Address
