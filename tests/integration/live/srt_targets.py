"""Services that a live is sent on to by SRT, played by a test: this product's own listener."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from services.live.packaging.child import Program
from services.live.simulcast.access import Access
from services.live.simulcast.by_srt import Srt, SrtTransport
from services.live.simulcast.dialing import Dialer
from services.live.simulcast.targets import Place
from services.live.srt.calls import SrtError
from services.live.srt.library import Library
from services.live.srt.listener import Connection, Listener
from services.live.srt.listening import Admitted
from services.live.srt.logins import Claim
from services.live.srt.publishers import SrtPublishers
from shared.programs.confinement import Limits
from shared.programs.finding import find_ffmpeg
from tests.integration.live.simulcast_targets import LOCAL
from tests.support.live_publishers import KEY, Door
from tests.support.wait import eventually

PASSPHRASE = "ten letters or more"
_LIMITS = Limits(seconds=0, cpu_seconds=600, memory_bytes=1 << 30, file_bytes=1 << 20, nice=0)


def program(folder: Path) -> Program:
    return Program(find_ffmpeg(None), folder, _LIMITS)


def transport(
    library: Library,
    folder: Path,
    port: int,
    *,
    stream_id: str = KEY,
    passphrase: str | None = None,
    dialer: Dialer | None = None,
    host: str = "127.0.0.1",
) -> SrtTransport:
    return SrtTransport(
        dialer or Dialer(LOCAL),
        Place("srt", host, port),
        Access(stream_id, passphrase),
        Srt(library, program(folder)),
    )


@asynccontextmanager
async def srt_target(
    library: Library, folder: Path, *, passphrase: str | None = None, port: int = 0
) -> AsyncIterator[tuple[Door, int]]:
    """Another service, and its port. ``port``: one that was left before."""
    door = Door()
    publishers = SrtPublishers(
        door, program(folder), lambda stream_id: Claim(stream_id, passphrase)
    )
    listener = Listener(library, admit=publishers.admit, serve=publishers.serve, latency_ms=120)

    def opened() -> int:
        try:
            return listener.open("127.0.0.1", port)
        except SrtError as error:
            # libsrt frees a port some time after it was left.
            raise AssertionError from error

    found = await eventually(opened, 60)
    try:
        yield door, found
    finally:
        await listener.close()


@asynccontextmanager
async def srt_listener(
    library: Library, serve: Callable[[Connection], Awaitable[None]]
) -> AsyncIterator[int]:
    """Admits everybody; its port."""
    listener = Listener(library, admit=lambda _, __: Admitted(), serve=serve, latency_ms=120)
    port = listener.open("127.0.0.1", 0)
    try:
        yield port
    finally:
        await listener.close()
