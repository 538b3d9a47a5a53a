"""Tiny clips, each upload a file of its own."""

import hashlib
import random
from pathlib import Path

from msgspec import Struct

from tests.integration.transcoder.clips import make


class Clip(Struct, frozen=True):
    """A file to upload. ``good``: it must end as a video, not as a failure with a reason."""

    content: bytes
    good: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class Clips:
    """Made once; every ``take`` has bytes that no other has."""

    def __init__(self, folder: Path) -> None:
        faststart = ("-c:v", "libx264", "-c:a", "aac", "-movflags", "+faststart")
        silent = ("-c:v", "libx264", "-an", "-movflags", "+faststart")
        # As small as they can be: a storm is about the ways of an upload, not about encoding. The
        # third has two chunks, the last two renditions.
        self._good = [
            make(folder / "a.mp4", *faststart, seconds=1, size="64x36", rate="10").read_bytes(),
            make(folder / "b.mp4", *silent, seconds=1, size="96x72", rate="10").read_bytes(),
            make(folder / "c.mp4", *faststart, seconds=9, size="64x48", rate="5").read_bytes(),
            make(folder / "d.mp4", *silent, seconds=1, size="640x360", rate="5").read_bytes(),
        ]
        self._sound = self._good[0::2]
        # The index of the movie is whole, the movie itself is noise.
        whole = self._good[0]
        start = whole.index(b"mdat") + 4
        self._bad = whole[:start] + random.Random(0).randbytes(len(whole) - start)

    def take(self, chance: random.Random) -> Clip:
        """A clip; now and then one that cannot be decoded."""
        good = chance.random() >= 0.05
        return _unique(chance.choice(self._good) if good else self._bad, chance, good=good)

    def with_sound(self, chance: random.Random) -> Clip:
        """A clip that can be decoded and has sound."""
        return _unique(chance.choice(self._sound), chance, good=True)


def _unique(content: bytes, chance: random.Random, *, good: bool) -> Clip:
    # A box that every reader skips makes the file unique.
    unique = chance.randbytes(16)
    return Clip(content + (8 + len(unique)).to_bytes(4, "big") + b"free" + unique, good)
