"""Names of a session's objects in the media bucket. Pure.

Below ``{video_id}/live/``, which live alone writes and deletes. Addresses that players see are the
same without the video. An epoch has a folder of its own, so that no two replicas write one key.
"""

from typing import Final

MULTIVARIANT: Final = "index.m3u8"
DASH: Final = "live.mpd"
DVR: Final = "dvr.m3u8"
"""As ``MULTIVARIANT``, from the log alone and further back."""
RECORDED: Final = "vod.m3u8"
RECORDED_DASH: Final = "vod.mpd"


def folder(video_id: str) -> str:
    """Everything of a session."""
    return f"{video_id}/live"


def track_folder(video_id: str, epoch: int, track: str) -> str:
    """The segments of a track in one epoch."""
    return f"{video_id}/live/{epoch}/{track}"


def epoch_of(track_folder: str) -> str:
    """The epoch that a track's folder belongs to."""
    return track_folder.split("/")[2]


def missing_segment(key: str, track: str, number: int) -> str:
    """What a segment that is not there would be called, beside ``key`` of another track."""
    video_id, live, epoch, _, _ = key.split("/")
    return segment(f"{video_id}/{live}/{epoch}/{track}", number)


def segment(track_folder: str, number: int) -> str:
    return f"{track_folder}/{number}.m4s"


def init(track_folder: str, sha256: str) -> str:
    return f"{track_folder}/init-{sha256[:16]}.mp4"


def playlist(track: str) -> str:
    """A track's playlist of a running session, beside the multivariant one."""
    return f"{track}.m3u8"


def dvr_playlist(track: str) -> str:
    """The same, further back."""
    return f"dvr-{track}.m3u8"


def recorded_playlist(track: str) -> str:
    """A track's playlist of the recording, below the session's folder."""
    return f"vod-{track}.m3u8"


def poster(video_id: str, mark: str) -> str:
    return f"{video_id}/live/poster-{mark}.jpg"


def chat(video_id: str) -> str:
    """The replay of the session's chat."""
    return f"{video_id}/live/chat.json"


def uri(key: str) -> str:
    """The address in a playlist that lies in the session's folder."""
    return key.split("/", 2)[2]


def moved(key: str, video_id: str, other_id: str) -> str:
    """The same object's key in another video's folder."""
    return other_id + key.removeprefix(video_id)
