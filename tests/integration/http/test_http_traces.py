"""Spans reach a collector, named by their route's template."""

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SCRIPT = """
import asyncio, sys
import httpx
from litestar import get
from litestar.params import FromPath
from shared import telemetry
from shared.http.app import create_app
from shared.http.envelope import Success

@get("/things/{thing:str}")
async def one(thing: FromPath[str]) -> Success[str]:
    return Success(data=thing)

async def main():
    transport = httpx.ASGITransport(app=create_app("demo", [one]))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
        answer = await client.get("/things/number-4711?q=private", headers=headers)
        assert answer.status_code == 200

telemetry.configure("demo", "production", sys.argv[1])
asyncio.run(main())
telemetry.shutdown()
"""


@contextmanager
def collector(received: list[bytes]) -> Iterator[str]:
    """An OTLP endpoint that keeps what it gets."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            zipped = self.headers.get("content-encoding") == "gzip"
            received.append(gzip.decompress(body) if zipped else body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_request_becomes_a_span_without_its_ids() -> None:
    received: list[bytes] = []
    with collector(received) as endpoint:
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT, endpoint],
            env={**os.environ, "PYTHONPATH": ".", "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    spans = b"".join(received)
    assert b"GET /things/{thing}" in spans
    assert b"cinelog-demo" in spans
    assert bytes.fromhex("0af7651916cd43dd8448eb211c80319c") in spans
    assert b"4711" not in spans
    assert b"private" not in spans
    assert "4711" not in ended.stdout
