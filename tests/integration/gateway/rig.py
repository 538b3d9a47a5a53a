"""A gateway on real sockets, between raw clients and services that do what a test tells them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm

from deploy.local import ports
from services.gateway.main import compose
from services.gateway.proxy.application import Gateway
from services.gateway.request.routes import SERVICES
from services.gateway.settings import GatewaySettings
from shared import settings as environment
from shared.host.host import open_host
from shared.http import server
from shared.settings import Address
from tests.support.buckets import Buckets
from tests.support.processes import working
from tests.support.wait import eventually

SECRET = "a-test-secret-0123456789-abcdefghij"
ISSUER = AUDIENCE = "cinelog"


class Clock:
    """A steady clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Request(msgspec.Struct):
    """What a service received."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


class Peer:
    """One connection to a service, after a request's head was read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """The request's body as it arrives."""
        if request.headers.get("transfer-encoding") == "chunked":
            while size := int(await self.reader.readline(), 16):
                yield await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
            return
        left = int(request.headers.get("content-length", 0))
        while left:
            data = await self.reader.read(min(left, 65536))
            if not data:
                raise ConnectionError
            left -= len(data)
            yield data

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, status: int, body: Any, **headers: str) -> None:
        """A whole JSON answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(raw)}\r\n{lines}\r\n".encode()
        await self.say(head + raw)

    async def gone(self) -> None:
        """Return when the gateway has hung up."""
        try:
            while await self.reader.read(65536):
                pass
        except ConnectionError:
            pass


Handler = Callable[[Request, Peer], Awaitable[None]]


class Service:
    """An upstream. ``handler`` may be replaced; by default it tells what it received."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.handler: Handler = self.echo
        self.private_key = generate_private_key(SECP256R1())
        self.address = ""
        self._writers: set[asyncio.StreamWriter] = set()

    async def echo(self, request: Request, peer: Peer) -> None:
        request.body = b"".join([part async for part in peer.body(request)])
        seen = {"method": request.method, "target": request.target, "headers": request.headers}
        await peer.answer(200, {"success": True, "data": {**seen, "size": len(request.body)}})

    def jwks(self) -> dict[str, Any]:
        jwk = json.loads(ECAlgorithm.to_jwk(self.private_key.public_key()))
        return {"keys": [{**jwk, "kid": "k1", "alg": "ES256", "use": "sig"}]}

    def token(self, user: str, **changes: Any) -> str:
        """An access token as auth would sign it."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": user,
            "username": user,
            "sid": "s",
            "jti": "j",
            "iat": now,
            "nbf": now,
            "exp": now + 900,
        }
        headers = {"kid": "k1", "typ": "at+jwt"}
        return jwt.encode(claims | changes, self.private_key, algorithm="ES256", headers=headers)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                method, target, _ = head[0].split(" ")
                pairs = (line.partition(": ") for line in head[1:] if line)
                request = Request(method, target, {name: value for name, _, value in pairs})
                peer = Peer(reader, writer)
                if target == "/.well-known/jwks.json":
                    await peer.answer(200, self.jwks())
                    continue
                self.requests.append(request)
                await self.handler(request, peer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Service"]:
        listener = await asyncio.start_server(self.accept, "127.0.0.1", 0, limit=1 << 20)
        host, port = listener.sockets[0].getsockname()
        self.address = f"http://{host}:{port}"
        try:
            yield self
        finally:
            listener.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await listener.wait_closed()


class Rig(msgspec.Struct):
    """A running gateway."""

    app: Gateway
    url: str
    port: int
    settings: GatewaySettings

    async def raw(self, data: bytes, *, half_close: bool = False) -> bytes:
        """Send exactly these bytes; everything that comes back until the gateway hangs up.

        Ask for ``connection: close``, or the gateway will wait for more.
        """
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            await writer.drain()
            if half_close:
                writer.write_eof()
            async with asyncio.timeout(60):
                return await reader.read()
        finally:
            writer.close()


async def keys_known(rig: Rig, token: str) -> None:
    """Wait until the gateway has fetched the keys that verify tokens."""
    await rig.app._callers._verifier.verify(token)


def environment_for(service: str, redis_url: str, **changes: Any) -> dict[str, str]:
    """The environment of a gateway whose services all live at one address."""
    chosen = ports.choose(["bind", "metrics"], {})
    found = {
        "BIND": f"127.0.0.1:{chosen['bind']}",
        "METRICS_BIND": f"127.0.0.1:{chosen['metrics']}",
        "REDIS_URL": redis_url,
        "S3_ENDPOINT": "http://127.0.0.1:9",
        "S3_REGION": "us-east-1",
        "S3_ACCESS_KEY": "test-access-key",
        "S3_SECRET_KEY": "test-secret-key-0",
        "S3_MEDIA_BUCKET": "media",
        "JWKS_URL": f"{service}/.well-known/jwks.json",
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "MEDIA_GRANT_SECRET": SECRET,
        "RATE_LIMIT_GENERAL": "10000/s burst 10000",
        "ACCESS_LOG": "false",
        "EDGE_CACHE_BYTES": "0",
        **{f"UPSTREAM_{name.upper()}": service for name in SERVICES},
    }
    return found | {name.upper(): str(value) for name, value in changes.items()}


def storage_settings(s3: Buckets) -> dict[str, str]:
    """The settings of a gateway that serves media from these buckets."""
    return {
        "s3_endpoint": s3.endpoint,
        "s3_region": s3.region,
        "s3_access_key": s3.access_key,
        "s3_secret_key": s3.secret_key,
        "s3_media_bucket": s3.media,
    }


@asynccontextmanager
async def running_gateway(
    service: Service,
    redis_url: str,
    *,
    head_seconds: float = server.HEAD_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    **changes: Any,
) -> AsyncIterator[Rig]:
    """A gateway in front of ``service``; ``changes`` are environment variables in lower case."""
    env = environment_for(service.address, redis_url, **changes)
    settings = environment.load(GatewaySettings, env)
    async with open_host() as host:
        process = await compose(settings, host, clock=clock)
        app: Any = process.servers[-1].app
        async with (
            working(process),
            server.serving(
                app, settings.bind, drain_seconds=2.0, leaving_seconds=0, head_seconds=head_seconds
            ),
        ):
            port = settings.bind.port
            rig = Rig(app, f"http://127.0.0.1:{port}", port, settings)
            await eventually(lambda: app._limiter.shared)
            yield rig


class Wire:
    """A cable to a real server that a test can cut or make endlessly slow."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self._to = Address(parts.hostname, parts.port)
        self._parts = parts
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._cut = False
        self.url = ""

    def cut(self) -> None:
        """Connections break and new ones are hung up on."""
        self._cut = True
        for writer in tuple(self._writers):
            writer.transport.abort()

    def stall(self) -> None:
        """Bytes are taken and not passed on."""
        self._flows.clear()

    def mend(self) -> None:
        """All is well again."""
        self._cut = False
        self._flows.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Wire"]:
        listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        port = listener.sockets[0].getsockname()[1]
        login, at, _host = self._parts.netloc.rpartition("@")
        self.url = self._parts._replace(netloc=f"{login}{at}127.0.0.1:{port}").geturl()
        try:
            yield self
        finally:
            self.mend()
            listener.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await listener.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection(self._to.host, self._to.port)
        for source, sink in ((reader, there_writer), (there_reader, writer)):
            self._writers.add(sink)
            task = asyncio.create_task(self._pass(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(sink)
            sink.close()
