"""Which renditions a session has: what is copied, what is encoded. Pure."""

from typing import Final, Literal

import msgspec

from services.live.flv.tags import Codec

SOUND: Final = "a"
TOP: Final = "top"

# Seconds between two key pictures up to which the publisher's pictures are passed on as they are.
LONGEST_GOP: Final = 4.0
# Between the key pictures of encoded renditions where the publisher's are too far apart.
OWN_GOP: Final = 2.0
# What an encoded rendition of the publisher's own size is limited to, in lines.
_LARGEST_ENCODED: Final = 1080


class Picture(msgspec.Struct, frozen=True):
    """What is known of the publisher's picture; 0 where it is not."""

    codec: Codec
    width: int = 0
    height: int = 0
    frame_rate: float = 0.0
    plain: bool = True
    """8 bits, 4:2:0 and whole pictures: what every player can show."""
    stated_rate: float = 0.0
    """Pictures a second as the publisher's metadata say; 0 where they do not."""


class Sound(msgspec.Struct, frozen=True):
    """``copied``: it is AAC-LC of 48 kHz in stereo already."""

    codec: Codec
    copied: bool = False


class Rung(msgspec.Struct, frozen=True):
    """A rendition of the picture. ``height``: 0 for the publisher's own."""

    name: str
    height: int = 0
    copied: bool = False

    @property
    def rate(self) -> int:
        """The highest bit rate of an encoded rendition, in bits per second."""
        return {240: 400_000, 360: 800_000, 480: 1_400_000, 720: 3_000_000}.get(
            self.height, 5_000_000
        )


Keys = Literal["publisher", "own"]


class Layout(msgspec.Struct, frozen=True):
    """All tracks that one ffmpeg makes; ``keys``: whose key pictures begin segments."""

    rungs: tuple[Rung, ...]
    sound: Sound | None
    keys: Keys

    @property
    def tracks(self) -> tuple[str, ...]:
        """The names of all tracks, in the order of ffmpeg's outputs."""
        names = tuple(rung.name for rung in self.rungs)
        return (*names, SOUND) if self.sound is not None else names

    def without_costliest(self) -> "Layout | None":
        """One encoded rendition less; None where that leaves nothing to drop."""
        encoded = [rung for rung in self.rungs if not rung.copied]
        if len(self.rungs) < 2 or not encoded:
            return None
        costliest = encoded[0]
        rungs = tuple(rung for rung in self.rungs if rung is not costliest)
        return msgspec.structs.replace(self, rungs=rungs)


def plan(
    picture: Picture, sound: Sound | None, *, heights: tuple[int, ...], long_gop: bool
) -> Layout:
    """The layout for a picture: the publisher's own on top if it is fit, then lower ``heights``."""
    copied = picture.codec == "h264" and picture.plain and not long_gop
    own = picture.height or _LARGEST_ENCODED
    top = Rung(TOP, 0 if own <= _LARGEST_ENCODED else _LARGEST_ENCODED, copied=copied)
    if copied:
        top = Rung(TOP, copied=True)
    lower = (Rung(str(height), height) for height in sorted(heights, reverse=True) if height < own)
    return Layout((top, *lower), sound, "own" if long_gop else "publisher")
