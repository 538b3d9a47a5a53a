"""``python -m benchmarks.uploads.beside``: what tus uploads cost beside tusd; see README.md."""

import base64
import os
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import httpx
import msgspec
import psutil

from benchmarks.peers.programs import Program, built, found_go, running
from benchmarks.reads.metering import cpu_of, metered
from benchmarks.uploads.__main__ import MIB, address_of, child, say
from benchmarks.uploads.server import Setup
from deploy.local.parts import Urls
from tests.integration.ingest.harness import clip
from tests.support.buckets import Buckets, own_buckets
from tests.support.databases import copy_of, migrated_template
from tests.support.ending import end_on_signals
from tests.support.real_parts import ROOT, real_parts

SIZE: Final = 64 * MIB
ROUNDS: Final = 6
UPLOADS: Final = 4
"""Of one server in one round."""


class Server(msgspec.Struct, frozen=True):
    """A server of uploads."""

    name: str
    process: psutil.Process
    url: str
    token: str = ""


class Rates(msgspec.Struct, frozen=True):
    """MiB for a second of CPU: of the server, and of it with storage and database."""

    server: float
    everything: float


def main() -> None:
    """Upload to ingest and to tusd in turns; print what each stores for a second of CPU."""
    with ExitStack() as stack:
        urls = stack.enter_context(real_parts())
        buckets = stack.enter_context(own_buckets(urls))
        database = stack.enter_context(copy_of(urls.postgres, migrated_template(urls.postgres)))
        (ROOT / "dist").mkdir(exist_ok=True)
        folder = stack.enter_context(
            # On a disk, as tusd's own example is.
            tempfile.TemporaryDirectory(dir=ROOT / "dist", prefix="tusd-")
        )
        servers = [
            stack.enter_context(ingest(Setup(database, buckets, None))),
            *stack.enter_context(tusd(Path(folder), urls, buckets)),
        ]
        body = clip(SIZE)
        found: dict[str, list[Rates]] = {each.name: [] for each in servers}
        for number in range(ROUNDS + 1):
            for each in servers:
                rates = rates_of(each, body)
                # The first round opens connections.
                if number:
                    found[each.name].append(rates)
        for name, values in found.items():
            server = statistics.median(each.server for each in values)
            everything = statistics.median(each.everything for each in values)
            say(
                f"{name:16} {server:6.0f} MiB for a second of the server's CPU, {everything:6.0f}"
                f" with storage and database; load {os.getloadavg()[0]:.0f}"
            )


def rates_of(server: Server, body: bytes) -> Rates:
    """What some uploads cost."""
    with httpx.Client(timeout=300, trust_env=False) as client:
        everything = metered(server.process)
        began = cpu_of(server.process)
        for _ in range(UPLOADS):
            upload(client, server, body)
        stored = UPLOADS * len(body) / MIB
        return Rates(stored / (cpu_of(server.process) - began), stored / everything())


def upload(client: httpx.Client, server: Server, body: bytes) -> None:
    """Create an upload, and send its bytes with one request."""
    headers = {"tus-resumable": "1.0.0"}
    if server.token:
        headers["authorization"] = f"Bearer {server.token}"
    name = base64.b64encode(b"clip.mp4").decode()
    answer = client.post(
        f"{server.url}/api/v1/uploads/" if not server.token else f"{server.url}/api/v1/uploads",
        headers=headers | {"upload-length": str(len(body)), "upload-metadata": f"filename {name}"},
    )
    assert answer.status_code == 201, answer.text
    answer = client.patch(
        httpx.URL(server.url).join(answer.headers["location"]),
        content=body,
        headers=headers | {"upload-offset": "0", "content-type": "application/offset+octet-stream"},
    )
    assert answer.status_code == 204, answer.text
    assert int(answer.headers["upload-offset"]) == len(body)


@contextmanager
def ingest(setup: Setup) -> Iterator[Server]:
    """The service, into the bucket."""
    with child("-m", "benchmarks.uploads.server", msgspec.json.encode(setup).decode()) as process:
        url, token = address_of(process)
        yield Server("ingest", psutil.Process(process.pid), url, token)


@contextmanager
def tusd(folder: Path, urls: Urls, buckets: Buckets) -> Iterator[list[Server]]:
    """tusd's handler, into a folder and into the bucket; none where it cannot be built."""
    program = built("tusd", found_go())
    if program is None:
        yield []
        return
    storage = {
        "S3_ENDPOINT": urls.s3_endpoint,
        "S3_ACCESS_KEY": urls.s3_access_key,
        "S3_SECRET_KEY": urls.s3_secret_key,
        "S3_BUCKET": buckets.sources,
    }
    into = {"FOLDER": str(folder), "S3_ENDPOINT": ""}
    with running(program, into) as disk, running(program, into | storage) as bucket:
        yield [_server("tusd, disk", disk), _server("tusd, bucket", bucket)]


def _server(name: str, program: Program) -> Server:
    return Server(name, program.process, f"http://127.0.0.1:{program.port}")


if __name__ == "__main__":
    end_on_signals()
    main()
