"""The real server: what a port, a signal and an open stream do to it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from litestar.response import Stream

from shared.http import server
from shared.http.app import create_app
from shared.http.envelope import Success
from shared.settings import Address, SettingsError
from tests.support.wait import eventually


def free_address() -> Address:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", probe.getsockname()[1])


class Log(list[str]):
    """What happened, in order."""


def application(log: Log, gate: asyncio.Event) -> Litestar:
    @get("/gated")
    async def gated() -> Success[str]:
        log.append("request")
        await gate.wait()
        return Success(data="done")

    @get("/endless")
    async def endless() -> Stream:
        async def lines() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield b"tick\n"
                    await asyncio.sleep(0.01)
            finally:
                log.append("stream ended")

        return Stream(lines())

    @asynccontextmanager
    async def resources(_app: Litestar) -> AsyncIterator[None]:
        log.append("open")
        yield
        log.append("close")

    return create_app("demo", [gated, endless], lifespan=[resources])


def client(address: Address) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=f"http://{address}", trust_env=False, timeout=20)


async def answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health")).status_code == 200
    except httpx.TransportError:
        return False


async def test_a_request_under_way_is_finished_before_resources_close() -> None:
    log, gate, address = Log(), asyncio.Event(), free_address()
    async with client(address) as http:
        async with server.serving(application(log, gate), address):
            await eventually(lambda: answers(http))
            pending = asyncio.create_task(http.get("/gated"))
            await eventually(lambda: "request" in log)
            asyncio.get_running_loop().call_later(0.1, gate.set)
        assert (await pending).json()["data"] == "done"
        assert log == ["open", "request", "close"]
        assert not await answers(http)


async def test_an_open_stream_does_not_hold_the_server_up() -> None:
    log, address = Log(), free_address()
    async with client(address) as http:

        async def listen() -> None:
            async with http.stream("GET", "/endless") as response:
                async for _ in response.aiter_bytes():
                    log.append("tick")

        async with server.serving(application(log, asyncio.Event()), address, drain_seconds=0.2):
            await eventually(lambda: answers(http))
            listening = asyncio.create_task(listen())
            await eventually(lambda: "tick" in log)
        with pytest.raises(httpx.TransportError):
            await listening
    assert [step for step in log if step != "tick"] == ["open", "stream ended", "close"]


async def test_event_streams_are_not_waited_for() -> None:
    log, address = Log(), free_address()
    async with client(address) as http:

        async def listen() -> None:
            headers = {"accept": "text/event-stream"}
            async with http.stream("GET", "/endless", headers=headers) as response:
                async for _ in response.aiter_bytes():
                    log.append("tick")

        async with server.serving(application(log, asyncio.Event()), address, drain_seconds=3600):
            listening = asyncio.create_task(listen())
            await eventually(lambda: "tick" in log)
        with pytest.raises(httpx.TransportError):
            await listening


async def test_a_client_that_keeps_its_connection_is_told_before_it_is_closed() -> None:
    log, address = Log(), free_address()
    async with client(address) as http:

        async def ask_until_told() -> None:
            told = False
            while not told:
                answer = await http.get("/health")
                assert answer.status_code == 200
                told = answer.headers.get("connection") == "close"
                log.append("told" if told else "answered")

        async with server.serving(application(log, asyncio.Event()), address):
            await eventually(lambda: answers(http))
            asking = asyncio.create_task(ask_until_told())
            await eventually(lambda: "answered" in log)
        await asking
        assert log.index("told") < log.index("close")
        assert not await answers(http)


async def test_a_taken_port_is_an_error() -> None:
    address = free_address()
    async with server.serving(application(Log(), asyncio.Event()), address):
        with pytest.raises(SettingsError, match="already in use"):
            async with server.serving(application(Log(), asyncio.Event()), address):
                pass


async def test_a_start_that_fails_is_an_error_and_nothing_listens() -> None:
    @asynccontextmanager
    async def broken(_app: Litestar) -> AsyncIterator[None]:
        raise ConnectionError("no database")
        yield

    address = free_address()
    with pytest.raises(ConnectionError, match="no database"):
        async with server.serving(create_app("demo", [], lifespan=[broken]), address):
            pass
    server.refuse_taken_port(address)


SCRIPT = """
import sys
from shared import settings, telemetry
from shared.http import server
from shared.http.app import create_app
def main():
    telemetry.configure("demo", "production")
    server.serve(lambda: create_app("demo", []), settings.Address.parse(sys.argv[1]))
settings.run(main)
"""


def start(address: Address) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(address)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "."},
    )


async def ended(process: "subprocess.Popen[bytes]") -> int:
    await eventually(lambda: process.poll() is not None, 60)
    return process.returncode


async def test_a_whole_process() -> None:
    address = free_address()
    with start(address) as first:
        try:
            async with client(address) as http:
                await eventually(lambda: answers(http), 60)
            with start(address) as second:
                assert await ended(second) == 2
                assert second.stderr is not None
                assert second.stderr.read().decode().startswith("cinelog: BIND: ")
            first.send_signal(signal.SIGTERM)
            assert await ended(first) == 0
        finally:
            first.kill()


def test_the_application_may_be_any_asgi_application() -> None:
    app: Any = application(Log(), asyncio.Event())
    assert callable(app)
