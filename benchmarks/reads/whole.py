"""Auth, the catalog's API and gateways as processes of their own, on one database."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

import msgspec
import psutil

from benchmarks.reads.asking import Request, ask_once
from deploy.local import ports
from tests.integration.gateway.rig import AUDIENCE, ISSUER, SECRET, environment_for
from tests.support.databases import Database
from tests.support.real_parts import ROOT

KEPT_BYTES: Final = 32 << 20
_START_SECONDS: Final = 120
_ANY_RATE: Final = "10000/s burst 10000"


class Server(msgspec.Struct, frozen=True):
    """A process, and the port where it answers."""

    process: psutil.Process
    port: int


class Cinelog(msgspec.Struct, frozen=True):
    """What is behind the gateways; one that keeps answers, and one that keeps none."""

    behind: tuple[Server, ...]
    keeping: Server
    asking: Server

    def processes(self, gateway: Server) -> tuple[psutil.Process, ...]:
        """All that work on a request to this gateway."""
        return gateway.process, *(each.process for each in self.behind)


@contextmanager
def cinelog(database: Database, redis_url: str) -> Iterator[Cinelog]:
    """The services; nothing is limited to fewer requests than are sent."""
    chosen = ports.choose(["auth", "catalog"], {})
    auth, catalog = (f"http://127.0.0.1:{chosen[name]}" for name in ("auth", "catalog"))
    jwks = f"{auth}/.well-known/jwks.json"
    common = {
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "REDIS_URL": redis_url,
        "JWKS_URL": jwks,
        "MEDIA_GRANT_SECRET": SECRET,
        "PUBLIC_URL": "http://127.0.0.1",
    }
    with ExitStack() as stack:

        def start(port: int, ready: str, *command: str, **environment: str) -> Server:
            given = environment | {"BIND": f"127.0.0.1:{port}"}
            return stack.enter_context(_serving(port, ready, command, given))

        behind = (
            start(
                chosen["auth"],
                "/ready",
                "services.auth.main",
                **common,
                DATABASE_URL=database.url("auth"),
                SIGNING_KEY_SECRET=SECRET,
                LOGIN_BURST="1000",
            ),
            start(
                chosen["catalog"],
                "/ready",
                "services.catalog.main",
                "api",
                **common,
                DATABASE_URL=database.url("catalog"),
                AUTH_URL=auth,
                S3_ENDPOINT="http://127.0.0.1:9",
                S3_ACCESS_KEY="test-access-key",
                S3_SECRET_KEY="test-secret-key-0",
                S3_MEDIA_BUCKET="media",
                VIEWS_PER_ADDRESS="1000000",
            ),
        )

        def gateway(kept_bytes: int) -> Server:
            found = environment_for(
                catalog,
                redis_url,
                jwks_url=jwks,
                public_url=common["PUBLIC_URL"],
                upstream_auth=auth,
                rate_limit_auth=_ANY_RATE,
                access_log="true",
                edge_cache_bytes=kept_bytes,
            )
            port = int(found.pop("BIND").rpartition(":")[2])
            return start(port, "/api/v1/streaming/latest", "services.gateway.main", **found)

        yield Cinelog(behind, keeping=gateway(KEPT_BYTES), asking=gateway(0))


@contextmanager
def _serving(
    port: int, ready: str, command: tuple[str, ...], environment: dict[str, str]
) -> Iterator[Server]:
    with subprocess.Popen(
        (sys.executable, "-m", *command),
        cwd=ROOT,
        env=os.environ | environment | {"CINELOG_MODE": "local", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait(process, port, ready)
            yield Server(psutil.Process(process.pid), port)
        finally:
            process.terminate()
            process.wait(60)


def _wait(process: "subprocess.Popen[bytes]", port: int, ready: str) -> None:
    """Until ``ready`` is answered. Raises RuntimeError where it is not."""
    until = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            asyncio.run(ask_once(port, Request("GET", ready)))
        except (OSError, RuntimeError, asyncio.IncompleteReadError):
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"{process.args} does not answer")
