"""The environment of the catalog's two processes."""

from typing import Annotated

import msgspec

from shared.contracts import Downloads
from shared.public_addresses import Reach
from shared.settings import Address, Key, Secret, Settings


class ApiSettings(Settings, frozen=True, kw_only=True):
    """``public_url`` is the origin of media URLs; None: the origin of each request.

    ``webhook_networks``: networks that webhooks may call besides the internet.
    ``redis_url``: where viewers of running lives are counted.
    ``views_per_address``: views that one address may add in a day. ``downloads_default``: who may
    have videos as files whose owners do not say. ``s3_media_bucket``: where captions go.
    ``bin_days``: for how long deleted videos may be taken back; 0: not at all.
    """

    database_url: Secret
    bind: Address
    jwks_url: str
    jwt_issuer: str
    jwt_audience: str
    media_grant_secret: Key
    auth_url: str
    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: Secret | None = None
    s3_media_bucket: Annotated[str, msgspec.Meta(min_length=3, max_length=63)]
    s3_sync_url: str | None = None
    public_url: str | None = None
    webhook_networks: Reach | None = None
    redis_url: Secret | None = None
    views_per_address: Annotated[int, msgspec.Meta(ge=1, le=10**9)] = 1000
    downloads_default: Downloads = "nobody"
    bin_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 30


class ProjectorSettings(Settings, frozen=True, kw_only=True):
    """``metrics_bind`` serves /health, /ready and /metrics. Webhook secrets derive from
    ``media_grant_secret``. ``webhook_networks``: networks that webhooks may call besides the
    internet."""

    database_url: Secret
    amqp_url: Secret
    media_grant_secret: Key
    metrics_bind: Address
    webhook_networks: Reach | None = None


class RebuildSettings(Settings, frozen=True, kw_only=True):
    """A rebuild creates tables, so it logs in as their owner, unlike the services."""

    database_admin_url: Secret
