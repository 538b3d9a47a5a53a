"""The load: requests with wrk, bodies and events over plain sockets, all on the other core."""

import asyncio
import os
import re
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from msgspec import Struct

from benchmarks.gateway.peers import DOWNLOAD, PATH, SSE, UPLOAD
from benchmarks.gateway.processes import OTHER_CORE, Process, need

GIB = 1 << 30
_BLOCK = bytes(1 << 20)


class Slice(Struct):
    """One slice of one proxy: ``rate`` is requests (or MB) per CPU second of the proxy."""

    rate: float
    per_second: float
    failed: int = 0


def requests(proxy: Process, token: str | None, seconds: int = 3) -> Slice:
    """As many requests as it takes, over 64 connections."""
    argv = ["taskset", "-c", str(OTHER_CORE), need("wrk", "install Debian's package wrk")]
    argv += ["-t1", "-c64", f"-d{seconds}"]
    if token:
        argv += ["-H", f"Authorization: Bearer {token}"]
    before = proxy.cpu()
    out = subprocess.run(
        [*argv, f"http://127.0.0.1:{proxy.port}{PATH}"], capture_output=True, text=True, check=True
    ).stdout
    used = proxy.cpu() - before
    match = re.search(r"(\d+) requests in ([\d.]+)s", out)
    assert match, out
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    done = int(match[1])
    return Slice(done / used, done / float(match[2]), int(failed[1]) if failed else 0)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _head(connection: socket.socket) -> bytes:
    """Read the answer's head; what came of the body with it."""
    data = b""
    while b"\r\n\r\n" not in data:
        got = connection.recv(65536)
        assert got, "closed early"
        data += got
    head, _, rest = data.partition(b"\r\n\r\n")
    assert b" 200 " in head.split(b"\r\n")[0], head[:200]
    return rest


def upload(proxy: Process, size: int = GIB) -> Slice:
    """One body of ``size`` bytes up, in MB per CPU second."""
    before, began = proxy.cpu(), time.perf_counter()
    with _connect(proxy.port) as connection:
        connection.sendall(
            b"POST %b HTTP/1.1\r\nHost: b\r\nContent-Length: %d\r\n\r\n" % (UPLOAD.encode(), size)
        )
        for _ in range(size // len(_BLOCK)):
            connection.sendall(_BLOCK)
        _head(connection)
    return Slice(size / 1e6 / (proxy.cpu() - before), size / 1e6 / (time.perf_counter() - began))


def download(proxy: Process, size: int = GIB, slow: float = 0.0) -> Slice:
    """The same down; ``slow`` seconds of rest after each MB."""
    before, began = proxy.cpu(), time.perf_counter()
    buffer = bytearray(1 << 20)
    with _connect(proxy.port) as connection:
        connection.sendall(b"GET %b HTTP/1.1\r\nHost: b\r\n\r\n" % DOWNLOAD.encode())
        left = size - len(_head(connection))
        pause = 1 << 20
        while left > 0:
            got = connection.recv_into(buffer)
            assert got, "closed early"
            left -= got
            pause -= got
            if slow and pause <= 0:
                time.sleep(slow)
                pause = 1 << 20
    return Slice(size / 1e6 / (proxy.cpu() - before), size / 1e6 / (time.perf_counter() - began))


@contextmanager
def watched_memory(proxy: Process) -> Generator[Callable[[], float]]:
    """Yields a function: by how many MB the proxy's memory has risen at most since the start."""
    peak = before = proxy.memory()
    over = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not over.wait(0.01):
            peak = max(peak, proxy.memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield lambda: (peak - before) / 1e6
    finally:
        over.set()
        watcher.join()


def memory_with_slow_peer(proxy: Process) -> float:
    """How many MB the peak rises while a slow client takes 64 MB."""
    with watched_memory(proxy) as risen, _connect(proxy.port) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        connection.sendall(b"GET %b HTTP/1.1\r\nHost: b\r\n\r\n" % DOWNLOAD.encode())
        _head(connection)
        for _ in range(64):
            time.sleep(0.05)
            left = 1 << 20
            while left > 0:
                left -= len(connection.recv(65536))
        return risen()


def latency(port: int, token: str, seconds: float = 2.0, rate: int = 200) -> float:
    """p50 in ms at ``rate`` requests per second."""
    os.sched_setaffinity(0, {OTHER_CORE})
    request = (f"GET {PATH} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {token}\r\n\r\n").encode()
    found: list[float] = []
    with _connect(port) as connection:
        for number in range(int(seconds * rate) + 20):
            began = time.perf_counter()
            connection.sendall(request)
            rest = _head(connection)
            while len(rest) < 1000:
                rest += connection.recv(65536)
            took = time.perf_counter() - began
            if number >= 20:
                found.append(took * 1000)
            time.sleep(max(0.0, 1 / rate - took))
    return statistics.median(found)


def event_latency(port: int, events: int = 400) -> float:
    """p50 in ms from the moment an event is sent until it is here."""
    found: list[float] = []
    with _connect(port) as connection:
        connection.sendall(b"GET %b HTTP/1.1\r\nHost: b\r\n\r\n" % SSE.encode())
        rest = _head(connection)
        while len(found) < events:
            rest = connection.recv(65536)
            now = time.monotonic_ns()
            sent = re.findall(rb"data: (\d+)\n\n", rest)
            if sent:
                found.append((now - int(sent[-1])) / 1e6)
    return statistics.median(found[20:])


class Offered(Struct):
    """What came of a steady offer."""

    allowed: int
    seconds: float
    per_second: float


async def offer(ports: list[int], token: str, requests: int = 2000, rate: int = 200) -> Offered:
    """Offer requests at a steady rate, to each port in turn, over ten connections each."""
    request = f"GET {PATH} HTTP/1.1\r\nHost: b\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    idle: dict[int, asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {}
    for port in ports:
        idle[port] = asyncio.Queue()
        for _ in range(10):
            idle[port].put_nowait(await asyncio.open_connection("127.0.0.1", port))
    statuses: list[int] = []

    async def one(port: int) -> None:
        reader, writer = await idle[port].get()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head)
        assert length, head
        await reader.readexactly(int(length[1]))
        statuses.append(int(head[9:12]))
        idle[port].put_nowait((reader, writer))

    began = time.monotonic()
    tasks: list[asyncio.Task[None]] = []
    for number in range(requests):
        tasks.append(asyncio.create_task(one(ports[number % len(ports)])))
        await asyncio.sleep(max(0.0, began + (number + 1) / rate - time.monotonic()))
    await asyncio.gather(*tasks)
    seconds = time.monotonic() - began
    assert set(statuses) <= {200, 429}, set(statuses)
    for queue in idle.values():
        while not queue.empty():
            queue.get_nowait()[1].close()
    return Offered(statuses.count(200), seconds, requests / seconds)
