"""The end of a process that publishers by SRT are connected to, and that others call all the time.

``CINELOG_SRT_ENDS=50`` repeats it so often.
"""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from subprocess import PIPE, Popen

import pytest

from services.live.srt.library import Library
from tests.support.documents import ROOT
from tests.support.srt_wire import NotAccepted, WireCaller

ENDS = int(os.environ.get("CINELOG_SRT_ENDS", "2"))
PUBLISHERS = 8


@contextmanager
def receiving(library: Library, way: str) -> Iterator[tuple["Popen[str]", int]]:
    command = [sys.executable, "-m", "tests.support.srt_process", library.raw._name, way]
    with Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def send(port: int, connected: threading.Semaphore, over: threading.Event) -> None:
    """Connect and send until the other side has gone, then again."""
    while not over.is_set():
        with WireCaller(port) as caller:
            caller.socket.settimeout(1.0)
            with suppress(TimeoutError, ConnectionError, NotAccepted):
                caller.connect("good")
                connected.release()
                for number in range(2000):
                    caller.send(caller.data(number, bytes(1316), message=number + 1))
                    if over.is_set():
                        return


@pytest.mark.parametrize("way", ["abrupt", "tidy"])
def test_a_process_ends_while_it_is_called(library: Library, way: str) -> None:
    for _ in range(ENDS):
        connected, over = threading.Semaphore(0), threading.Event()
        with receiving(library, way) as (process, port):
            senders = [
                threading.Thread(target=send, args=(port, connected, over))
                for _ in range(PUBLISHERS)
            ]
            for sender in senders:
                sender.start()
            try:
                for _ in range(2 * PUBLISHERS):
                    assert connected.acquire(timeout=60)
                _, said = process.communicate(timeout=60)
            finally:
                over.set()
                for sender in senders:
                    sender.join()
        assert process.returncode == 0, said
        assert "FATAL" not in said, said
