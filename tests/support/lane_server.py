"""What the lanes of a run share: they ask the process that hands out the tests.

It starts one set of real parts when the first test of any lane needs them, and stops them when
the run ends or its process dies. It also learns from the lanes which tests belong together, as
it collects none itself.
"""

import tempfile
import threading
from contextlib import ExitStack
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.local.parts import Urls

_END = "end"


class LaneServer:
    """Answers lanes over a Unix socket, from a thread of its own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="cinelog-lanes-")
        self.address = str(Path(self._folder.name) / "socket")
        self.groups: dict[str, str] = {}
        """The name of the group of each test that has one, by node id."""
        self._listener = Listener(self.address)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        """Stop the parts, if they were started."""
        _ask(self.address, _END)
        self._thread.join()
        self._listener.close()
        self._folder.cleanup()

    def _serve(self) -> None:
        from tests.support.real_parts import real_parts

        urls: Urls | None = None
        with ExitStack() as running:
            while True:
                with self._listener.accept() as connection:
                    question = _received(connection)
                    if question == _END:
                        return
                    if isinstance(question, dict):
                        self.groups = question
                        _send(connection, "noted")
                        continue
                    try:
                        urls = urls or running.enter_context(real_parts())
                        _send(connection, msgspec.to_builtins(urls))
                    except Exception as error:
                        _send(connection, repr(error))


def shared_urls(config: pytest.Config) -> Urls | None:
    """Where the parts of all lanes are; None outside of lanes.

    Raises RuntimeError if they could not be started.
    """
    address = _address(config)
    if address is None:
        return None
    answer = _ask(address, "urls")
    if not isinstance(answer, dict):
        raise RuntimeError(f"the parts did not start: {answer}")
    return msgspec.convert(answer, Urls)


def tell_groups(config: pytest.Config, groups: dict[str, str]) -> None:
    """Say which tests belong together; all lanes say the same. Nothing outside of lanes."""
    address = _address(config)
    if address is not None:
        _ask(address, groups)


def _address(config: pytest.Config) -> str | None:
    given: dict[str, Any] = getattr(config, "workerinput", {})
    return given.get("lane_server")


def _ask(address: str, question: object) -> object:
    """One question over a connection of its own; None if there is no answer."""
    with Client(address) as connection:
        connection.send(question)
        return _received(connection)


def _received(connection: Connection) -> object:
    try:
        return connection.recv()
    except (EOFError, OSError):
        return None


def _send(connection: Connection, answer: object) -> None:
    try:
        connection.send(answer)
    except OSError:
        # The lane has died meanwhile.
        return
