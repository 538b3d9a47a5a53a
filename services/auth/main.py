"""Wires auth and runs it: ``python -m services.auth.main``.

``python -m services.auth.main rotate-keys`` makes the next signing key and prints when it is used.
"""

import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from litestar import Litestar
from litestar.di import Provide
from redis.asyncio import Redis

from services.auth.accounts_repository import AccountsRepository
from services.auth.devices import Devices
from services.auth.event_outbox import EventOutbox
from services.auth.handlers.accounts import AccountHandlers
from services.auth.handlers.logins import LoginHandlers
from services.auth.handlers.password_checks import PasswordChecks
from services.auth.handlers.reauthentication import Reauthentication
from services.auth.handlers.session_ender import SessionEnder
from services.auth.handlers.session_opener import SessionOpener
from services.auth.handlers.sessions import SessionHandlers
from services.auth.http.callers import Sites, alive, caller
from services.auth.http.routes import routes
from services.auth.jwks import REFRESH_SECONDS, JwksPublisher
from services.auth.maintenance import APPEND_SECONDS, PURGE_SECONDS, Maintenance
from services.auth.metrics import AuthMetrics
from services.auth.passwords import CommonPasswords, Passwords
from services.auth.restored_rows import RestoredRows
from services.auth.session_repository import SessionRepository
from services.auth.settings import AuthSettings
from services.auth.signing_keys import LEAD, SigningKeys
from services.auth.throttle import LoginThrottle
from services.auth.tokens import AccessTokens, Successors
from shared import settings
from shared.database.connect import create_engine
from shared.host.entry import Command, Role, run_entry
from shared.host.host import Host, Process, Served, Work
from shared.http.app import create_app
from shared.http.identity import Verifier
from shared.loops.items import ItemMetrics
from shared.loops.loops import Loops

_CONNECTIONS = 8
_REDIS_TIMEOUT = 0.5


def now() -> datetime:
    """The current time in UTC."""
    return datetime.now(UTC)


async def compose(
    config: AuthSettings,
    host: Host,
    *,
    clock: Callable[[], datetime] = now,
    passwords: Passwords | None = None,
) -> Process:
    """Serves accounts, sessions and keys. Tests bring a clock and cheaper hashes."""
    engine = await host.engine(config.database_url, size=_CONNECTIONS)
    accounts, sessions = AccountsRepository(engine), SessionRepository(engine)
    outbox = EventOutbox(accounts, await host.log(config.database_url), ItemMetrics(host.registry))
    passwords = passwords or Passwords()
    host.stack.callback(passwords.close)
    common = CommonPasswords()
    metrics = AuthMetrics(host.registry)
    checks = PasswordChecks(_throttle(config, host), metrics)
    keys = SigningKeys(engine, config.signing_key_secret)
    access = AccessTokens(keys, issuer=config.jwt_issuer, audience=config.jwt_audience)
    lifetime = timedelta(days=config.refresh_days)
    ender = SessionEnder(accounts, outbox, clock)
    opener = SessionOpener(sessions, ender, access, lifetime=lifetime, clock=clock)
    login_handlers = LoginHandlers(
        accounts,
        outbox,
        opener,
        passwords=passwords,
        common=common,
        checks=checks,
        metrics=metrics,
        clock=clock,
    )
    session_handlers = SessionHandlers(
        sessions,
        ender,
        access,
        Successors(config.signing_key_secret),
        metrics=metrics,
        lifetime=lifetime,
        clock=clock,
    )
    again = Reauthentication(accounts, sessions, passwords=passwords, checks=checks, clock=clock)
    account_handlers = AccountHandlers(
        accounts, outbox, passwords=passwords, common=common, reauthentication=again, clock=clock
    )
    jwks = JwksPublisher(keys, sessions, clock)
    await jwks.refresh()
    parts = {
        "logins": login_handlers,
        "sessions": session_handlers,
        "accounts": account_handlers,
        "jwks": jwks,
        "devices": Devices(keys, jwks, issuer=config.jwt_issuer, clock=clock),
        "sites": Sites(config.cors_origins, lifetime),
    }
    app = _app(host, accounts, _verifier(config, jwks), parts)
    maintenance = Maintenance(accounts, outbox, sessions, RestoredRows(engine), clock)
    return Process(servers=[Served(app, config.bind)], work=_work(host.loops, jwks, maintenance))


def _verifier(config: AuthSettings, jwks: JwksPublisher) -> Verifier:
    return Verifier(jwks, issuer=config.jwt_issuer, audience=config.jwt_audience)


def _app(
    host: Host, accounts: AccountsRepository, verifier: Verifier, parts: Mapping[str, object]
) -> Litestar:
    """``parts``: what handlers of routes ask for, by name."""
    return create_app(
        "auth",
        routes(),
        checks={"postgres": accounts.ping},
        dependencies={
            **{name: _given(part) for name, part in parts.items()},
            "me": Provide(alive),
            "caller": Provide(caller, sync_to_thread=False),
        },
        verifier=verifier,
        registry=host.registry,
        progress=host.loops.progress,
    )


def _given(part: object) -> Provide:
    return Provide(lambda: part, sync_to_thread=False)


def _throttle(config: AuthSettings, host: Host) -> LoginThrottle:
    redis = Redis.from_url(
        config.redis_url, socket_timeout=_REDIS_TIMEOUT, socket_connect_timeout=_REDIS_TIMEOUT
    )
    host.stack.push_async_callback(redis.aclose)
    return LoginThrottle(redis, burst=config.login_burst, refill=config.login_refill_seconds)


def _work(loops: Loops, jwks: JwksPublisher, maintenance: Maintenance) -> dict[str, Work]:
    return {
        "jwks": lambda: loops.repeat("refresh jwks", jwks.refresh, REFRESH_SECONDS),
        "outbox": lambda: loops.repeat(
            "append pending events", maintenance.append_pending, APPEND_SECONDS
        ),
        "purge": lambda: loops.repeat("purge", maintenance.purge, PURGE_SECONDS),
        "restored": lambda: loops.repeat(
            "end restored rows", maintenance.end_restored, PURGE_SECONDS
        ),
        "looks": lambda: loops.repeat("index looks", maintenance.index_looks, PURGE_SECONDS),
    }


async def rotate_keys(config: AuthSettings) -> None:
    """Make the next signing key."""
    engine = create_engine(config.database_url, size=1)
    try:
        kid = await SigningKeys(engine, config.signing_key_secret).rotate(now())
    finally:
        await engine.dispose()
    sys.stdout.write(f"key {kid} is published; it signs in {LEAD.seconds // 60} minutes\n")


ENTRIES = {
    "": Role("auth", AuthSettings, compose),
    "rotate-keys": Command("auth", AuthSettings, rotate_keys),
}

if __name__ == "__main__":
    settings.run(lambda: run_entry(ENTRIES, sys.argv[1:], os.environ))
