"""The gateway's settings, from its environment."""

import re
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta

from services.gateway.limits.connections import PER_ADDRESS
from services.gateway.limits.open_requests import REFUSED_PER_ADDRESS, OpenLimits
from services.gateway.request.routes import MIB, Open, Policy
from shared.settings import Address, Key, Secret, Settings
from shared.token_bucket import MICROS, Bucket

GIB: Final = 1024 * MIB
DEVICES: Final = 20
"""Devices of one address that may log in at the full rate of one at the same time."""


_PERIODS: Final = {"s": 1, "m": 60, "h": 3600}
_RATE: Final = re.compile(r"(\d+)/(\d*)([smh])\s+burst\s+(\d+)")


class Rate(str):
    """``10/s burst 20``, ``1/20s burst 3``, ``100/m burst 5``."""

    @classmethod
    def parse(cls, value: str) -> "Rate":
        """Raises ValueError where ``value`` is no rate."""
        rate = cls(value)
        _ = rate.bucket
        return rate

    @property
    def bucket(self) -> Bucket:
        """The bucket that lets this rate through."""
        match = _RATE.fullmatch(self.strip())
        if match is None:
            raise ValueError("write it like '10/s burst 20' or '1/20s burst 3'")
        tokens, periods, unit, burst = match.groups()
        if not int(tokens) or not int(burst) or periods == "0":
            raise ValueError("rate and burst must be at least 1")
        interval = int(periods or 1) * _PERIODS[unit] * MICROS // int(tokens)
        if not interval:
            raise ValueError("more than a million tokens per second is no limit")
        return Bucket(interval, int(burst))


_ORIGIN: Final = re.compile(r"https?://(?:\*\.)?[A-Za-z0-9.-]+(?::[0-9]{1,5})?")


class EmbedOrigins(str):
    """Who may show the player in a frame: sources of a content security policy."""

    @classmethod
    def parse(cls, value: str) -> "EmbedOrigins":
        """``*``, ``none``, or origins, separated by commas. Raises ValueError."""
        if value == "none":
            return cls("'none'")
        origins = [part.strip() for part in value.split(",")]
        if value != "*" and not all(_ORIGIN.fullmatch(origin) for origin in origins):
            raise ValueError("write *, none, or origins such as https://example.com")
        return cls(" ".join(origins))


class GatewaySettings(Settings, frozen=True, kw_only=True):
    """Rates are per caller. ``trusted_proxies`` proxies append to X-Forwarded-For before us.

    ``max_streams``, ``max_media``, ``max_downloads`` and ``max_requests`` count what is open at
    once in this process.
    ``edge_cache_bytes``: of answers that are the same for everybody; 0: none is kept.
    ``max_idle_connections_per_address``: 0 is no limit; not set, it is 256 without proxies.
    """

    bind: Address
    metrics_bind: Address
    redis_url: Secret
    upstream_auth: str
    upstream_ingest: str
    upstream_catalog: str
    upstream_transcoder: str
    upstream_live: str
    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_access_key: str | None = None
    s3_secret_key: Secret | None = None
    s3_media_bucket: str
    jwks_url: str
    jwt_issuer: str
    jwt_audience: str
    media_grant_secret: Key
    public_url: str | None = None
    web_root: str | None = None
    trusted_proxies: Annotated[int, Meta(ge=0, le=10)] = 0
    cors_origins: tuple[str, ...] = ()
    csp_origins: tuple[str, ...] = ()
    embed_origins: EmbedOrigins = EmbedOrigins("*")
    media_redirect_base: str | None = None
    max_upload_bytes: Annotated[int, Meta(gt=0)] = 20 * GIB
    rate_limit_general: Rate = Rate("10/s burst 20")
    rate_limit_auth: Rate = Rate("1/20s burst 3")
    rate_limit_media: Rate = Rate("200/s burst 1000")
    rate_limit_misses: Rate = Rate("20/s burst 200")
    rate_limit_health: Rate = Rate("50/s burst 200")
    max_streams: Annotated[int, Meta(ge=1, le=100_000)] = 3000
    max_streams_per_user: Annotated[int, Meta(ge=1, le=100_000)] = 20
    max_streams_per_address: Annotated[int, Meta(ge=1, le=100_000)] = 2000
    max_media_per_address: Annotated[int, Meta(ge=1, le=100_000)] = 256
    max_downloads_per_user: Annotated[int, Meta(ge=1, le=100_000)] = 4
    max_downloads_per_address: Annotated[int, Meta(ge=1, le=100_000)] = 16
    max_requests_per_address: Annotated[int, Meta(ge=1, le=100_000)] = 256
    max_idle_connections_per_address: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    edge_cache_bytes: Annotated[int, Meta(ge=0)] = 32 * MIB
    access_log: bool = True

    @property
    def buckets(self) -> dict[Policy, Bucket]:
        """The bucket of each policy."""
        auth = self.rate_limit_auth.bucket
        return {
            Policy.GENERAL: self.rate_limit_general.bucket,
            Policy.AUTH: auth,
            Policy.DEVICES: Bucket(max(1, auth.interval // DEVICES), auth.burst * DEVICES),
            Policy.MEDIA: self.rate_limit_media.bucket,
            Policy.MISSES: self.rate_limit_misses.bucket,
            Policy.HEALTH: self.rate_limit_health.bucket,
        }

    @property
    def idle_connections(self) -> int | None:
        """How many idle connections an address may keep; None: as many as it likes.

        Behind proxies all addresses are theirs.
        """
        if self.max_idle_connections_per_address is None:
            return None if self.trusted_proxies else PER_ADDRESS
        return self.max_idle_connections_per_address or None

    @property
    def open_limits(self) -> dict[Open, OpenLimits]:
        """How many open requests of each kind a caller may have."""
        return {
            Open.REQUEST: OpenLimits(self.max_requests_per_address),
            Open.MEDIA: OpenLimits(self.max_media_per_address),
            Open.DOWNLOAD: OpenLimits(self.max_downloads_per_address, self.max_downloads_per_user),
            Open.STREAM: OpenLimits(self.max_streams_per_address, self.max_streams_per_user),
            Open.REFUSED: OpenLimits(REFUSED_PER_ADDRESS),
        }

    @property
    def web_folder(self) -> Path | None:
        """The folder of the web client's build, where there is one."""
        return Path(self.web_root) if self.web_root else None
