"""Wires live and runs it: ``python -m services.live.main``."""

import asyncio
import os
import sys

import asyncpg

from services.live import listeners
from services.live.assembly import ACCOUNTS, AUDIENCE, CHAT, CLIP, FINISH, SETTLE, Live, assemble
from services.live.chat.hub import CHECK_SECONDS, WAIT_SECONDS
from services.live.chat.keeping import ROUND_SECONDS
from services.live.chat.parts import Chats
from services.live.handlers.planning import PLANS
from services.live.settings import LiveSettings
from services.live.whip import receiving
from shared import settings
from shared.event_store.group_commit import LOG_CHANNEL
from shared.host.entry import Role, run_entry
from shared.host.host import Host, Process, Served, Work
from shared.loops.leaders import Leader
from shared.loops.loops import Loops
from shared.programs.confinement import protect_memory

_ROUND_SECONDS = 1.0
_RECORD_SECONDS = 0.5
_ACCOUNTS_SECONDS = 300.0
_AUDIENCE_SECONDS = 5.0
# Making the playlists of a session of many hours reads all its events.
_FINISH_SILENCE_SECONDS = 900.0


async def compose(config: LiveSettings, host: Host) -> Process:
    """Serves owners and publishers; while it leads, settles sessions and makes their videos."""
    protect_memory()
    receiving.install()
    live = await assemble(config, host)
    loops, broadcasts = host.loops, live.broadcasts
    listener = listeners.srt(config.srt_bind, live.library, live.srt)
    certificate = listeners.certificate(config)

    async def drain() -> None:
        broadcasts.drain()
        await live.publishers.close()
        if live.whip is not None:
            await live.whip.close()
        if listener is not None:
            await listener.close()
        await live.simulcasts.close()
        await broadcasts.close()

    return Process(
        servers=[Served(live.app, config.bind)],
        drain=drain,
        work={
            "publishers": lambda: listeners.rtmp(live.publishers, config, certificate),
            **listeners.reading(certificate, loops),
            "report": lambda: loops.repeat("report sessions", broadcasts.report, _ROUND_SECONDS),
            "simulcast": lambda: loops.repeat(
                "simulcast targets", live.simulcasts.round, _ROUND_SECONDS
            ),
            "record": lambda: loops.repeat("store segments", broadcasts.record, _RECORD_SECONDS),
            **_chat_work(live.chats, loops),
            "background": lambda: host.loops.lead(
                Leader.LIVE,
                config.database_url,
                lambda connection: lead(live, host.loops, connection),
            ),
        },
    )


def _chat_work(chats: Chats | None, loops: Loops) -> dict[str, Work]:
    if chats is None:
        return {}
    hub = chats.hub
    return {
        "chat": lambda: loops.repeat("read chats", hub.advance, WAIT_SECONDS, wake=hub.wake),
        "chat readers": lambda: loops.repeat("check chats", hub.check, CHECK_SECONDS),
    }


async def lead(live: Live, loops: Loops, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """The loops of the replica that leads, until cancelled. They hear of appends over the
    connection that holds the lock."""
    await connection.add_listener(LOG_CHANNEL, lambda *_notification: loops.rest.stir())

    async def settle() -> None:
        if await live.settling.round():
            loops.rest.stir()

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(loops.repeat(SETTLE, settle, _ROUND_SECONDS, rests=True))
            group.create_task(loops.repeat(PLANS, live.planning.round, _ROUND_SECONDS, rests=True))
            for name, step in ((FINISH, live.finishing.round), (CLIP, live.clips.round)):
                group.create_task(
                    loops.repeat(
                        name,
                        step,
                        _ROUND_SECONDS,
                        silence_seconds=_FINISH_SILENCE_SECONDS,
                        rests=True,
                    )
                )
            group.create_task(loops.repeat(AUDIENCE, live.audience.round, _AUDIENCE_SECONDS))
            if live.chats is not None:
                group.create_task(loops.repeat(CHAT, live.chats.keeping.round, ROUND_SECONDS))
            group.create_task(loops.repeat(ACCOUNTS, live.accounts.round, _ACCOUNTS_SECONDS))
    finally:
        live.audience.leave()


ENTRIES = {"": Role("live", LiveSettings, compose)}

if __name__ == "__main__":
    settings.run(lambda: run_entry(ENTRIES, sys.argv[1:], os.environ))
