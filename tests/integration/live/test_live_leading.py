"""The loops of the leader, put together as the process does it."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.live.assembly import ACCOUNTS, AUDIENCE, CHAT, CLIP, FINISH, SETTLE, assemble
from services.live.assembly import Live as Parts
from services.live.main import lead
from services.live.settings import LiveSettings
from shared.host.host import Host, open_host
from shared.loops import rest
from shared.loops.cancellation import end
from shared.settings import Address, Key, Secret
from tests.integration.live.harness import OBS, Live
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.wait import eventually

_NOBODY = "http://127.0.0.1:9"


def config(database: Database, s3: Buckets, redis_url: str, folder: Path) -> LiveSettings:
    return LiveSettings(
        cinelog_mode="local",
        bind=Address("127.0.0.1", 0),
        rtmp_bind=Address("127.0.0.1", 0),
        rtmp_url="rtmp://127.0.0.1/live",
        internal_url=_NOBODY,
        database_url=Secret(database.url("live")),
        s3_endpoint=s3.endpoint,
        s3_access_key=Secret(s3.access_key),
        s3_secret_key=Secret(s3.secret_key),
        s3_media_bucket=s3.media,
        upstream_ingest=_NOBODY,
        jwks_url=_NOBODY,
        jwt_issuer="cinelog",
        jwt_audience="cinelog",
        scratch_dir=str(folder / "scratch"),
        redis_url=Secret(redis_url),
        media_grant_secret=Key("k" * 40),
        simulcast_key=Key("s" * 40),
    )


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with open_host() as opened:
        yield opened


class Rounds:
    """Counts the rounds of a loop's real work."""

    def __init__(self, work: Any) -> None:
        self._work = work
        self.done = 0

    async def round(self) -> None:
        await self._work.round()
        self.done += 1


class Stuck:
    """A step that something never answers, such as a storage."""

    async def round(self) -> None:
        await asyncio.Event().wait()

    def leave(self) -> None: ...


_HUNG = {
    FINISH: {"finishing": Stuck()},
    CLIP: {"clips": Stuck()},
    AUDIENCE: {"audience": Stuck()},
    ACCOUNTS: {"accounts": Stuck()},
}


@pytest.mark.parametrize("name", [*_HUNG, CHAT])
async def test_a_loop_that_hangs_is_noticed_though_another_goes_on(
    *, live: Live, database: Database, s3: Buckets, redis_url: str, host: Host, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, name: str,
) -> None:  # fmt: skip
    now = 0.0
    monkeypatch.setattr(host.loops.progress, "_clock", lambda: now)
    # A running session, so that each round of settling has an item, which it reports.
    _, key = await live.stream()
    await live.one.sessions.connect(key, OBS)
    parts: Parts = await assemble(config(database, s3, redis_url, tmp_path), host)
    assert parts.chats is not None
    settling = Rounds(parts.settling)
    chats = type(parts.chats)(parts.chats.chat, parts.chats.hub, Stuck())  # type: ignore[arg-type]
    hung = _HUNG.get(name, {"chats": chats})
    parts = dataclasses.replace(parts, settling=settling, **hung)  # type: ignore[arg-type]
    connection = await asyncpg.connect(database.url("live"))
    leading = asyncio.create_task(lead(parts, host.loops, connection))
    try:
        await eventually(lambda: settling.done)
        assert host.loops.progress.stuck() == {}
        # Longer than any of these loops may be silent.
        now, before = 2000.0, settling.done
        await eventually(lambda: settling.done >= before + 2)
        assert name in host.loops.progress.stuck()
        assert SETTLE not in host.loops.progress.stuck()
    finally:
        await end([leading])
        await connection.close()


async def test_a_leader_that_rests_hears_of_appends(
    *, live: Live, database: Database, s3: Buckets, redis_url: str, host: Host, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(rest, "AWAKE_SECONDS", 0.0)
    monkeypatch.setattr(rest, "REST_SECONDS", 3600.0)
    parts: Parts = await assemble(config(database, s3, redis_url, tmp_path), host)
    settling = Rounds(parts.settling)
    parts = dataclasses.replace(parts, settling=settling)  # type: ignore[arg-type]
    connection = await asyncpg.connect(database.url("live"))
    leading = asyncio.create_task(lead(parts, host.loops, connection))
    try:
        await eventually(lambda: settling.done)
        await live.stream()
        await eventually(lambda: settling.done > 1)
    finally:
        await end([leading])
        await connection.close()
