"""Attacks by receivers of webhooks: that answer late, and that answer nonsense."""

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.attack.scene import Account, Scene, client, register, upload
from tests.e2e.people import until
from tests.integration.ingest.harness import clip

_OF_ONE = 10
_UPLOADS = 20
_LATE_SECONDS = 9.0
# What others may wait, in seconds: half of them, and all but one in a hundred.
_HALF, _NEARLY_ALL = 1.0, 5.0


class Receiver:
    """A server for webhooks. ``received``: when each body arrived."""

    def __init__(self, answer: str) -> None:
        self.received: list[tuple[float, bytes]] = []
        received = self.received

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                received.append((time.monotonic(), body))
                if answer == "late":
                    time.sleep(_LATE_SECONDS)
                self.send_response(302 if answer == "nonsense" else 204)
                if answer == "nonsense":
                    self.send_header("location", "http:x")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, request: object, client_address: object) -> None:
                """Who sends may hang up."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    @contextmanager
    def running(self) -> Iterator["Receiver"]:
        """Serve until left."""
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


@contextmanager
def slow_receivers(scene: Scene, count: int) -> Iterator[Callable[[], str]]:
    """``count`` webhooks, four of five with late receivers; how long another's takes meanwhile."""
    file = scene.folder / "tiny.mp4"
    file.write_bytes(clip(14_000))
    with ExitStack() as servers:
        late, nonsense, prompt = (
            servers.enter_context(Receiver(answer).running())
            for answer in ("late", "nonsense", "prompt")
        )
        for number in range(count // _OF_ONE):
            account = register(scene.url)
            _call(scene, account, nonsense.url if number % 5 == 4 else late.url, _OF_ONE)
            upload(scene.url, account, file)
        other = register(scene.url)
        _call(scene, other, prompt.url, 1)
        waits: list[float] = []
        for _ in range(_UPLOADS):
            job = upload(scene.url, other, file).json()["data"]["job_id"]
            began = time.monotonic()
            waits.append(max(0.0, _arrival(prompt, job) - began))
        half, most = statistics.median(waits), max(waits)
        verdict = "in time" if half <= _HALF and most <= _NEARLY_ALL else "late"
        times = f"median {1000 * half:.0f} ms, at most {1000 * most:.0f} ms"
        yield lambda: f"another's webhook {verdict}: {times}"


def _call(scene: Scene, account: Account, url: str, times: int) -> None:
    with client(scene.url, account) as owner:
        for number in range(times):
            answer = owner.post("/api/v1/webhooks", json={"url": f"{url}{number}"})
            assert answer.status_code == 201, answer.text


def _arrival(receiver: Receiver, job: str) -> float:
    """When the first event of a job arrived."""

    def arrived() -> float | None:
        found = [at for at, body in receiver.received if job.encode() in body]
        return min(found, default=None)

    return until(arrived)
