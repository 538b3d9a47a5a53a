"""Services that are started at the same time come from one fork server."""

import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import pytest

from tests.support import forked

THREADS = 8


def test_threads_that_start_services_at_once_share_a_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[int] = []
    nothing = threading.Event()

    def server() -> tuple[socket.socket, None]:
        begun.append(1)
        # Long enough for the others to come.
        nothing.wait(0.2)
        return socket.socket(), None

    shared: Callable[[], Any] = cache(server)
    monkeypatch.setattr(forked, "_fork_server", shared)
    with ThreadPoolExecutor(THREADS) as threads:
        asked = [threads.submit(forked._requests) for _ in range(THREADS)]
    found = {id(each.result()) for each in asked}
    shared()[0].close()
    assert (len(begun), len(found)) == (1, 1)
