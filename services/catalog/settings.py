"""The environment of the catalog's two processes."""

from shared.settings import Address, Key, Secret, Settings


class ApiSettings(Settings, frozen=True, kw_only=True):
    """``public_url`` is where people reach the site; without it, where each request came from."""

    database_url: Secret
    bind: Address
    jwks_url: str
    jwt_issuer: str
    jwt_audience: str
    media_grant_secret: Key
    auth_url: str
    public_url: str | None = None


class ProjectorSettings(Settings, frozen=True, kw_only=True):
    """``metrics_bind`` serves /health, /ready and /metrics. Webhooks are signed with keys made from
    ``media_grant_secret``."""

    database_url: Secret
    amqp_url: Secret
    media_grant_secret: Key
    metrics_bind: Address


class RebuildSettings(Settings, frozen=True, kw_only=True):
    """A rebuild makes tables: it logs in as their owner, which no service does."""

    database_admin_url: Secret
