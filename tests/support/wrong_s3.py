"""An S3 server that is wrong now and then: an HTTP proxy of our own in front of the real one.

A share of the answers is wrong, each in one of several ways. The server behind it is right, so a
client that asks again gets a right answer sooner or later.
"""

import http.client
import random
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

_STATUSES: Final = {
    "404": (404, "NoSuchKey"),
    "403": (403, "AccessDenied"),
    "500": (500, "InternalError"),
    "slow down": (503, "SlowDown"),
}
# Of answers that have a body: it ends before its announced length; it is announced shorter than it
# is; one of its bits is the other way round.
_BODIES: Final = ("cut", "short", "flipped")
KINDS: Final = (*_STATUSES, *_BODIES, "late")
_LATE_SECONDS: Final = 0.5
_LEAVE_OUT: Final = frozenset({"connection", "transfer-encoding", "content-length"})


class _Answer(Struct):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


class WrongS3:
    """``url`` leads over it. ``done`` counts wrong answers by kind, and right ones as ``right``.

    ``share`` of the answers, from 0 to 1, is wrong in one of ``kinds``. Both may be changed.
    """

    def __init__(
        self, target: str, share: float, kinds: Sequence[str] = KINDS, seed: int = 0
    ) -> None:
        parts = urlsplit(target)
        self.target = (parts.hostname or "", parts.port or 80)
        self.share = share
        self.kinds = tuple(kinds)
        self.done: Counter[str] = Counter()
        self.url = ""
        self._chance = random.Random(seed)
        self._lock = Lock()

    @contextmanager
    def running(self, port: int = 0) -> Iterator["WrongS3"]:
        """Serve until left."""
        server = _Server(("127.0.0.1", port), self)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def choose(self, *, has_body: bool) -> str | None:
        """What will be wrong with the next answer; None for nothing."""
        fitting = [kind for kind in self.kinds if has_body or kind not in _BODIES]
        with self._lock:
            wrong = fitting and self._chance.random() < self.share
            kind = self._chance.choice(fitting) if wrong else None
            self.done[kind or "right"] += 1
        return kind

    def between(self, low: int, high: int) -> int:
        with self._lock:
            return self._chance.randint(low, high)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], wrong: WrongS3) -> None:
        super().__init__(address, _Handler)
        self.wrong = wrong

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients go away; that is theirs."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _wrong(self) -> WrongS3:
        assert isinstance(self.server, _Server)
        return self.server.wrong

    def do_GET(self) -> None:
        self._answer()

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        wrong = self._wrong
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        kind = wrong.choose(has_body=self.command == "GET")
        if kind == "late":
            time.sleep(_LATE_SECONDS)
        if kind in _STATUSES:
            # A writing request may have been done before its answer was lost.
            if self.command != "GET" and wrong.between(0, 1):
                self._forward(body)
            status, code = _STATUSES[kind]
            text = f"<Error><Code>{code}</Code><Message>wrong</Message></Error>".encode()
            self._send(_Answer(status, [("content-type", "application/xml")], text), len(text))
            return
        answer = self._forward(body)
        kept, announced = answer.body, len(answer.body)
        if kind in _BODIES and announced and answer.status < 300:
            place = wrong.between(0, announced - 1)
            if kind == "flipped":
                kept = kept[:place] + bytes([kept[place] ^ 1]) + kept[place + 1 :]
            else:
                kept = kept[:place]
                announced = place if kind == "short" else announced
        answer.body = kept
        self._send(answer, announced)

    def _forward(self, body: bytes) -> _Answer:
        connection = http.client.HTTPConnection(*self._wrong.target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name != "Expect"}
        try:
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            return _Answer(answer.status, answer.getheaders(), answer.read())
        finally:
            connection.close()

    def _send(self, answer: _Answer, announced: int) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            if name.lower() not in _LEAVE_OUT:
                self.send_header(name, value)
        if self.command == "HEAD":
            lengths = [value for name, value in answer.headers if name.lower() == "content-length"]
            self.send_header("content-length", lengths[0] if lengths else "0")
            self.end_headers()
            return
        if answer.status != 204:
            self.send_header("content-length", str(announced))
        self.end_headers()
        self.wfile.write(answer.body)
        if len(answer.body) < announced:
            self.close_connection = True
