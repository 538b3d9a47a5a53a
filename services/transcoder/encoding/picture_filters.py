"""ffmpeg's options and filters that show a source's picture as it is meant. Pure."""

from typing import Final

from shared.contracts import VideoTrack

_TURNS: Final = {90: ("transpose=cclock",), 180: ("hflip", "vflip"), 270: ("transpose=clock",)}


def input_options(video: VideoTrack) -> list[str]:
    """Options before ``-i``: whether ffmpeg itself turns what it decodes."""
    return ["-noautorotate"] if _turned_here(video) else []


def turn(video: VideoTrack) -> list[str]:
    """The filters that set the picture upright, where ffmpeg does not do so itself.

    An H.264 stream may state its orientation at its beginning only, where most chunks do not read.
    The picture keeps no matrix, or players would turn it again.
    """
    if not _turned_here(video):
        return []
    flip = ["hflip"] if video.mirrored else []
    return [*flip, *_TURNS.get(video.rotation, ()), "sidedata=mode=delete:type=DISPLAYMATRIX"]


def _turned_here(video: VideoTrack) -> bool:
    # Older plans do not know whether the picture is mirrored, but ffmpeg finds that in the file.
    # Odd angles are ffmpeg's, too.
    known = video.stream is not None and (video.rotation == 0 or video.rotation in _TURNS)
    return known and (video.mirrored or video.rotation != 0)


def deinterlace(video: VideoTrack) -> list[str]:
    """The filters that make whole frames of fields: one of each, or one of two."""
    if not video.interlaced:
        return []
    if video.fields == "telecined":
        # What cannot be put together again is interpolated.
        return ["fieldmatch", "bwdif=mode=send_frame:deint=interlaced"]
    # Older plans have one frame for two fields.
    return [f"bwdif=mode={'send_field' if video.fields == 'apart' else 'send_frame'}"]


def deinterlace_still(video: VideoTrack) -> list[str]:
    """The filter for a single frame, which must not use the frames beside it."""
    return ["estdif=mode=frame"] if video.interlaced else []
