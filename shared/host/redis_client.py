"""Connections to Redis that are closed with the process."""

from typing import Final

from redis.asyncio import Redis

from shared.host.host import Host
from shared.settings import SettingsError

TIMEOUT_SECONDS: Final = 0.5


def open_redis(host: Host, url: str, *, timeout: float = TIMEOUT_SECONDS) -> "Redis":
    """A client that connects when it is used. Raises SettingsError for what is no address."""
    try:
        redis = Redis.from_url(  # pyright: ignore[reportUnknownMemberType] - has untyped options
            url, socket_timeout=timeout, socket_connect_timeout=timeout
        )
    except ValueError as error:
        raise SettingsError(f"REDIS_URL: {error}") from None
    host.stack.push_async_callback(redis.aclose)
    return redis
