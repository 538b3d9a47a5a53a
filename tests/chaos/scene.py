"""Where faults happen: the stack, what lies under it, and videos that may come to harm."""

import random
import threading
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from tests.chaos.clips import Clip, Clips
from tests.chaos.uploads import Uploader
from tests.support.network import Network
from tests.support.power import Disk
from tests.support.stack import RunningStack


class Sacrifices:
    """Videos of somebody who uploads for the faults: they are deleted or lose their source.

    What people upload in a storm must survive it, so these are others.
    """

    def __init__(self, url: str, clips: Clips) -> None:
        self._url = url
        self._clips = clips
        self._lock = threading.Lock()
        self._uploader: Uploader | None = None
        self.deleted: list[str] = []
        # Of any video: the hash of each damaged object by its key.
        self.damaged: dict[str, str] = {}
        self.without_source: list[str] = []

    def upload(self, chance: random.Random) -> str:
        """A video with sound; its id."""
        return self.uploader().by_form(self.clip(chance), "Sacrifice")

    def clip(self, chance: random.Random) -> Clip:
        return self._clips.with_sound(chance)

    def uploader(self) -> Uploader:
        """The one who uploads them."""
        with self._lock:
            if self._uploader is None:
                self._uploader = Uploader(self._url)
            return self._uploader


class Scene(Struct, frozen=True):
    """``network``, ``disk`` and ``older``, a folder with the packages of an earlier version, are
    there where a chosen kind of fault needs them."""

    stack: RunningStack
    sacrifices: Sacrifices
    network: Network | None = None
    disk: Disk | None = None
    older: Path | None = None


Fault = Callable[[Scene, random.Random], str | None]
"""Does it, and says what it did; None where there was nothing to do it to."""


class Broken(Exception):
    """A fault showed that a promise does not hold; the message says which."""
