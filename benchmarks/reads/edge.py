"""``python -m benchmarks.reads.edge``: what a public read costs at the entrance; see README.md."""

import asyncio
import http.client
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

import psutil

from benchmarks.reads.catalog import CatalogProcess, catalog
from benchmarks.reads.library import fill, id_of
from benchmarks.reads.measuring import MOST_READ, say
from benchmarks.reads.metering import cpu_of
from tests.integration.gateway.rig import environment_for
from tests.support.databases import copy_of, migrated_template
from tests.support.ending import end_on_signals
from tests.support.real_parts import ROOT, real_parts

VIDEOS: Final = 1000
ROUNDS: Final = 5
REQUESTS: Final = {"asked": 160, "kept": 1600}
"""Of one round. What runs in the catalog anyway would be seen beside a few kept answers."""
AT_ONCE: Final = 8
WAYS: Final = ("asked", "asked, 304", "kept", "kept, gzip", "kept, 304")


def main() -> None:
    """Ask a gateway that keeps answers, and in turns one that keeps none; print a table."""
    with ExitStack() as stack:
        urls = stack.enter_context(real_parts())
        template = migrated_template(urls.postgres)
        database = stack.enter_context(copy_of(urls.postgres, template))
        asyncio.run(fill(database, VIDEOS))
        behind = stack.enter_context(catalog(ROOT, database, id_of("user", 1)))
        gateways = {
            way: stack.enter_context(gateway(behind.address, urls.redis, kept_bytes))
            for way, kept_bytes in (("asked", 0), ("kept", 32 << 20))
        }
        say("", *WAYS)
        for kind, path in MOST_READ.items():
            say(kind, *costs(gateways, behind, path))


def costs(gateways: "Mapping[str, GatewayProcess]", behind: CatalogProcess, path: str) -> list[str]:
    """The median CPU of one request in each way: at the gateway, and behind it."""
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    for number in range(ROUNDS + 1):
        for way in WAYS:
            kind, _, how = way.partition(", ")
            entrance = gateways[kind]
            lines = {"gzip": "accept-encoding: gzip\r\n"}.get(how, "")
            if how == "304":
                lines = f"if-none-match: {entrance.etag(path)}\r\n"
            database = behind.meter()
            began = entrance.cpu()
            asyncio.run(entrance.ask(path, lines, 304 if how == "304" else 200, REQUESTS[kind]))
            # The first round opens connections and prepares statements.
            if number:
                spent = entrance.cpu() - began, database()
                found[way].append((spent[0] / REQUESTS[kind], spent[1] / REQUESTS[kind]))
    return [
        shown(*(statistics.median(each) * 1e6 for each in zip(*values, strict=True)))
        for values in found.values()
    ]


def shown(entrance: float, behind: float) -> str:
    """CPU in µs."""
    return f"{entrance:.0f} + {behind:.0f} = {entrance + behind:.0f} µs"


class GatewayProcess:
    """One gateway, asked over a few connections at once."""

    def __init__(self, process: psutil.Process, address: str) -> None:
        self._process = process
        self._address = address

    def etag(self, path: str) -> str:
        """The entity tag of an answer. Raises OSError where there is none."""
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise ConnectionError(f"{path}: {answer.status}")
            return answer.headers["etag"]
        finally:
            connection.close()

    async def ask(self, path: str, lines: str, status: int, times: int) -> None:
        """Ask so many times, over ``AT_ONCE`` connections."""
        host, _, port = self._address.partition(":")
        head = f"GET {path} HTTP/1.1\r\nhost: {self._address}\r\n{lines}\r\n".encode()

        async def some() -> None:
            reader, writer = await asyncio.open_connection(host, int(port))
            for _ in range(times // AT_ONCE):
                writer.write(head)
                answer = (await reader.readuntil(b"\r\n\r\n")).lower()
                if not answer.startswith(b"http/1.1 %d" % status):
                    raise RuntimeError(f"{path}: {answer!r}")
                _, _, length = answer.partition(b"content-length: ")
                if length and status == 200:
                    await reader.readexactly(int(length.partition(b"\r\n")[0]))
            writer.close()

        await asyncio.gather(*(some() for _ in range(AT_ONCE)))

    def cpu(self) -> float:
        """Seconds so far."""
        return cpu_of(self._process)


@contextmanager
def gateway(catalog_address: str, redis_url: str, kept_bytes: int) -> Iterator[GatewayProcess]:
    """A gateway in front of a catalog."""
    more = environment_for(catalog_address, redis_url, edge_cache_bytes=kept_bytes)
    command = (sys.executable, "-m", "services.gateway.main")
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | more | {"CINELOG_MODE": "local", "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            found = GatewayProcess(psutil.Process(process.pid), more["BIND"])
            for _ in range(600):
                with suppress(OSError):
                    found.etag(MOST_READ["latest"])
                    break
                time.sleep(0.2)
            yield found
        finally:
            process.terminate()
            process.wait(30)


if __name__ == "__main__":
    end_on_signals()
    main()
