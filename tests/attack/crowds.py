"""Attacks that hold what is shared: connections, streams and slots."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from tests.attack.scene import Account, Scene, local_address, register, upload
from tests.integration.ingest.harness import clip as small_clip
from tests.support.wait import eventually

# A crowd that grows slower than this has met its limit.
_GROW_SECONDS = 30.0
_TRICKLE_SECONDS = 5.0
# Between two requests of one account that its limit of requests lets through.
_POLITE_SECONDS = 0.11
_STREAMS_OF_ONE = 20


class Crowd:
    """Connections of an attacker's, in a thread of their own. ``answers``: status lines."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._tasks: list[asyncio.Task[None]] = []
        self._sent = 0
        self._all_sent = asyncio.Event()
        self.answers: list[str] = []

    def grow(self, members: list[Coroutine[Any, Any, None]], pause: float = 0.0) -> None:
        """Let them begin, one after each ``pause`` in seconds; returns when all have asked."""

        async def begin() -> None:
            for each in members:
                self._tasks.append(asyncio.create_task(each))
                await asyncio.sleep(pause)
            if self._sent < len(members):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_GROW_SECONDS):
                        await self._all_sent.wait()

        asyncio.run_coroutine_threadsafe(begin(), self._loop).result()

    def wait_for_answers(self, count: int) -> None:
        """Wait until so many have an answer; raises TimeoutError."""
        waiting = eventually(lambda: len(self.answers) >= count, _GROW_SECONDS)
        asyncio.run_coroutine_threadsafe(waiting, self._loop).result()

    def end(self) -> None:
        """Close every connection."""

        async def stop() -> None:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def member(
        self,
        address: tuple[str, int],
        source: str,
        request: bytes,
        then: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]],
        *,
        window: int = 0,
    ) -> None:
        """One connection from ``source``, which may have a receive ``window`` of few bytes."""
        sock = socket.socket()
        sock.setblocking(False)
        if window:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        try:
            sock.bind((source, 0))
            await asyncio.get_running_loop().sock_connect(sock, address)
            reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
            writer.write(request)
        except OSError:
            self._note_sent()
            self.answers.append("no connection")
            sock.close()
            return
        self._note_sent()
        try:
            await then(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            self.answers.append("connection closed")
        finally:
            writer.close()

    def _note_sent(self) -> None:
        self._sent += 1
        if self._sent >= len(self._tasks):
            self._all_sent.set()

    async def read(self, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        """Read whatever comes."""
        line = await reader.readline()
        self.answers.append(line.decode(errors="replace").strip() or "connection closed")
        while await reader.read(65536):
            pass

    def trickle(
        self, seconds: float = _TRICKLE_SECONDS
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]:
        """Send a byte now and then, until there is an answer."""

        async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            answer = asyncio.ensure_future(reader.readline())
            while not (await asyncio.wait({answer}, timeout=seconds))[0]:
                writer.write(b"x")
                await writer.drain()
            line = answer.result().decode(errors="replace").strip()
            self.answers.append(line or "connection closed")

        return send


async def stall(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read nothing, for ever."""
    await asyncio.Event().wait()


@contextmanager
def crowd() -> Iterator[Crowd]:
    """A crowd that goes home at the end."""
    members = Crowd()
    try:
        yield members
    finally:
        members.end()


def request(method: str, path: str, scene: Scene, account: Account | None, *lines: str) -> bytes:
    """The head of a request."""
    host, port = scene.address
    head = [f"{method} {path} HTTP/1.1", f"host: {host}:{port}", *lines]
    if account is not None:
        head.append(f"authorization: Bearer {account.token}")
    return "\r\n".join([*head, "", ""]).encode()


def _counted(answers: list[str]) -> str:
    kinds = sorted(set(answers))
    return ", ".join(f"{answers.count(kind)} × {kind}" for kind in kinds) or "no answer yet"


@contextmanager
def streams(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """Event streams on one job, by one account, each from another address."""
    ask = request("GET", f"/api/v1/jobs/{scene.job}/events", scene, scene.attacker)
    with crowd() as all_of_them:
        all_of_them.grow(
            [
                all_of_them.member(scene.address, local_address(), ask, all_of_them.read)
                for _ in range(count)
            ],
            pause=_POLITE_SECONDS,
        )
        yield lambda: _counted(all_of_them.answers)


@contextmanager
def many_peoples_streams(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """Event streams of many accounts, as many for each as it may have: no attack, but a crowd."""
    clip = scene.folder / "short.mp4"
    clip.write_bytes(small_clip(14_000))
    members: list[Coroutine[Any, Any, None]] = []
    with crowd() as all_of_them:
        for _ in range(count // _STREAMS_OF_ONE):
            account = register(scene.url)
            job = upload(scene.url, account, clip).json()["data"]["job_id"]
            ask = request("GET", f"/api/v1/jobs/{job}/events", scene, account)
            source = local_address()
            members += [
                all_of_them.member(scene.address, source, ask, all_of_them.read)
                for _ in range(_STREAMS_OF_ONE)
            ]
        all_of_them.grow(members, pause=0.005)
        all_of_them.wait_for_answers(count)
        yield lambda: _counted(all_of_them.answers)


@contextmanager
def slow_uploads(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """Uploads by one account that never get on; meanwhile somebody else uploads."""
    ask = request(
        "POST",
        "/api/v1/streaming/upload",
        scene,
        scene.attacker,
        "content-type: multipart/form-data; boundary=b",
        "content-length: 10000000",
    )
    begin = b'--b\r\ncontent-disposition: form-data; name="video"; filename="a.mp4"\r\n\r\n'
    with crowd() as all_of_them:
        all_of_them.grow(
            [
                all_of_them.member(
                    scene.address, local_address(), ask + begin, all_of_them.trickle()
                )
                for _ in range(count)
            ]
        )
        other = upload(scene.url, register(scene.url))
        yield (
            lambda: f"somebody else's upload: {other.status_code}; {_counted(all_of_them.answers)}"
        )


@contextmanager
def stalled_readers(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """Readers of a segment that read nothing, all from one address."""
    path = scene.segment.removeprefix(scene.url)
    source = local_address()
    ask = request("GET", path, scene, None)
    with crowd() as all_of_them:
        all_of_them.grow(
            [
                all_of_them.member(scene.address, source, ask, stall, window=2048)
                for _ in range(count)
            ]
        )
        yield lambda: f"{count} readers"


@contextmanager
def idle_connections(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """Connections from one address that ask for nothing."""
    source = local_address()
    with crowd() as all_of_them:
        all_of_them.grow(
            [all_of_them.member(scene.address, source, b"", all_of_them.read) for _ in range(count)]
        )
        yield lambda: _counted(all_of_them.answers)
