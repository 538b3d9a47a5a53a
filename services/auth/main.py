"""Wires auth and runs it: ``python -m services.auth.main``.

``python -m services.auth.main rotate-keys`` makes the next signing key and says when it is used.
"""

import os
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from litestar import Litestar
from litestar.di import Provide
from redis.asyncio import Redis

from services.auth import http
from services.auth.accounts_repository import AuthStorage
from services.auth.event_outbox import Ledger
from services.auth.handlers import AuthHandlers
from services.auth.jwks import KeyDocuments
from services.auth.maintenance import Upkeep
from services.auth.metrics import AuthFigures
from services.auth.passwords import CommonPasswords, Passwords
from services.auth.settings import AuthSettings
from services.auth.signing_keys import LEAD, SigningKeys, WrongKeySecret
from services.auth.throttle import LoginThrottle
from services.auth.tokens import AccessTokens
from shared import settings, telemetry
from shared.database.connect import create_engine
from shared.database.metrics import watch_engine
from shared.event_store.postgres import open_event_store
from shared.http import server
from shared.http.app import create_app
from shared.http.identity import Verifier
from shared.http.metrics import create_registry

_CONNECTIONS = 8
_REDIS_TIMEOUT = 0.5


def now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


@asynccontextmanager
async def application(
    config: AuthSettings,
    *,
    clock: Callable[[], datetime] = now,
    passwords: Passwords | None = None,
) -> AsyncGenerator[Litestar]:
    """The whole service but for its port. Tests bring a clock and cheaper hashes."""
    passwords = passwords or Passwords()
    registry = create_registry(config.otel_exporter_otlp_endpoint)
    engine = create_engine(config.database_url, size=_CONNECTIONS)
    watch_engine(registry, engine)
    redis = Redis.from_url(
        config.redis_url, socket_timeout=_REDIS_TIMEOUT, socket_connect_timeout=_REDIS_TIMEOUT
    )
    try:
        async with open_event_store(config.database_url, registry=registry) as store:
            storage = AuthStorage(engine)
            ledger = Ledger(storage, store)
            keys = SigningKeys(engine, config.signing_key_secret)
            documents = KeyDocuments(keys, storage, clock)
            handlers = AuthHandlers(
                storage=storage,
                ledger=ledger,
                passwords=passwords,
                common=CommonPasswords(),
                tokens=AccessTokens(keys, issuer=config.jwt_issuer, audience=config.jwt_audience),
                throttle=LoginThrottle(
                    redis, burst=config.login_burst, refill=config.login_refill_seconds
                ),
                figures=AuthFigures(registry),
                clock=clock,
                refresh_lifetime=timedelta(days=config.refresh_days),
            )
            upkeep = Upkeep(ledger, storage, clock)
            yield create_app(
                "auth",
                http.routes(),
                checks={"postgres": storage.ping},
                lifespan=[upkeep.running()],
                dependencies={
                    "handlers": Provide(lambda: handlers, sync_to_thread=False),
                    "documents": Provide(lambda: documents, sync_to_thread=False),
                    "me": Provide(http.alive),
                    "caller": Provide(http.caller, sync_to_thread=False),
                },
                verifier=Verifier(
                    documents, issuer=config.jwt_issuer, audience=config.jwt_audience
                ),
                registry=registry,
            )
    finally:
        passwords.close()
        await redis.aclose()
        await engine.dispose()


async def run(config: AuthSettings) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = server.stop_on_signals()
    async with application(config) as app, server.serving(app, config.bind):
        await stop.wait()


async def rotate_keys(config: AuthSettings) -> None:
    """Make the next signing key."""
    engine = create_engine(config.database_url, size=1)
    try:
        kid = await SigningKeys(engine, config.signing_key_secret).rotate(now())
    finally:
        await engine.dispose()
    sys.stdout.write(f"key {kid} is published; it signs in {LEAD.seconds // 60} minutes\n")


def main() -> None:
    """Read the settings, then serve or rotate."""
    config = settings.load(AuthSettings, os.environ)
    telemetry.configure("auth", config.cinelog_mode, config.otel_exporter_otlp_endpoint)
    task = rotate_keys if sys.argv[1:] == ["rotate-keys"] else run
    try:
        server.run(lambda: task(config))
    except WrongKeySecret as error:
        raise settings.SettingsError(str(error)) from None


if __name__ == "__main__":
    settings.run(main)
