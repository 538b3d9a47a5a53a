"""A logical database of one's own on the Redis server."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import redis

from deploy.local.parts import Urls

# A run that was killed gives its databases back after this many seconds.
_KEPT = 4 * 3600


@contextmanager
def own_redis(parts: Urls) -> Iterator[str]:
    """An empty logical database that no other test has, and no other run on this server."""
    with redis.Redis.from_url(parts.redis) as server:
        number = _take(server)
        url = urlunsplit(urlsplit(parts.redis)._replace(path=f"/{number}"))
        try:
            with redis.Redis.from_url(url) as own:
                own.flushdb()
                yield url
                own.flushdb()
        finally:
            server.delete(_key(number))


def _take(server: redis.Redis) -> int:
    databases = int(server.config_get("databases")["databases"] or 16)
    for _ in range(databases):
        number = 1 + int(server.incr("tests:database")) % (databases - 1)
        if server.set(_key(number), "taken", nx=True, ex=_KEPT):
            return number
    raise RuntimeError(f"all of the server's {databases} databases are taken")


def _key(number: int) -> str:
    return f"tests:database:{number}"
