"""Sessions of a live stream that have been recorded: their objects and their events."""

import hashlib
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from shared.contracts import (
    EncodedTrack,
    Event,
    LiveEnded,
    LivePublished,
    LiveRecorded,
    Segment,
    StoredObject,
)
from shared.mp4.boxes import find
from shared.mp4.fragment_reader import read_fragments, read_init_segment, read_track
from shared.programs.finding import find_ffmpeg
from tests.support.live_events import live_connected

Encoded = tuple[bytes, bytes]
"""An init segment and its fragments."""
Put = Callable[[str, bytes], None]

_AT = datetime(2026, 11, 27, tzinfo=UTC)


def encoded(folder: Path, name: str, *arguments: str) -> Encoded:
    """An init segment and its fragments, of one track."""
    target = folder / f"{name}.mp4"
    cmaf = ["-movflags", "+cmaf+frag_keyframe+frag_discont", "-frag_duration", "313000"]
    base = [find_ffmpeg(None), "-v", "error", "-nostdin", "-f", "lavfi"]
    subprocess.run([*base, *arguments, "-f", "mp4", *cmaf, str(target)], check=True)
    data = target.read_bytes()
    init = read_init_segment(data)
    return init, data[find(data, ("moof",)).start :]


def picture(folder: Path, name: str, size: str, *more: str, seconds: float = 2) -> Encoded:
    source = f"testsrc=size={size}:rate=25:duration={seconds}"
    encode = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-pix_fmt", "yuv420p"]
    return encoded(folder, name, "-i", source, *encode, *more)


def sound(folder: Path, seconds: float = 2) -> Encoded:
    tone = f"sine=frequency=440:sample_rate=48000:duration={seconds}"
    return encoded(folder, "sound", "-i", tone, "-c:a", "aac")


class RecordedLive:
    """A session, batch by batch; each batch is one segment of each of its tracks."""

    def __init__(self, video_id: str, put: Put) -> None:
        self.video_id = video_id
        self.events: list[Event] = [live_connected(video_id, "user-1", title="A race")]
        self.objects: dict[str, bytes] = {}
        self._put = put
        self._number = 0

    def add(self, *, jump: bool = False, **tracks: Encoded) -> None:
        """The next segment, by names of tracks: ``top``, ``240``, ``a``."""
        made = tuple(self._track(name, *each) for name, each in tracks.items())
        self.events.append(
            LivePublished(
                video_id=self.video_id,
                epoch=1,
                first_segment=self._number,
                started_at=_AT,
                tracks=made,
                jump=jump,
            )
        )
        self._number += 1

    def _track(self, name: str, init: bytes, data: bytes) -> EncodedTrack:
        folder = f"{self.video_id}/live/1/{name}"
        mark = hashlib.sha256(init).hexdigest()
        init_key = f"{folder}/init-{mark[:16]}.mp4"
        self._store(init_key, init)
        self._store(f"{folder}/{self._number}.m4s", data)
        described, fragments = read_track(init), read_fragments(data)
        segment = Segment(
            index=self._number,
            start=fragments[0].start,
            duration=sum(each.duration for each in fragments),
            size=len(data),
            key_bytes=fragments[0].key_bytes,
        )
        return EncodedTrack(
            name=name,
            timescale=described.timescale,
            codecs=described.codecs,
            init_key=init_key,
            init_sha256=mark,
            init_size=len(init),
            key=folder,
            segments=(segment,),
            # Of the hashes of all segments of the batch.
            sha256=hashlib.sha256(hashlib.sha256(data).hexdigest().encode()).hexdigest(),
        )

    def _store(self, key: str, data: bytes) -> None:
        self.objects[key] = data
        self._put(key, data)

    def end(self) -> None:
        """End the session, and record it."""
        playlist = f"{self.video_id}/live/vod.m3u8"
        text = b"#EXTM3U\n"
        self._store(playlist, text)
        stored = StoredObject(key=playlist, size=len(text), sha256=hashlib.sha256(text).hexdigest())
        self.events += [
            LiveEnded(video_id=self.video_id, live_id="live-1", user_id="user-1", reason="over"),
            LiveRecorded(
                video_id=self.video_id,
                playlist_key=playlist,
                dash_key=f"{self.video_id}/live/vod.mpd",
                duration_ms=2000 * self._number,
                width=320,
                height=180,
                renditions=(),
                size=sum(map(len, self.objects.values())),
                playlists=(stored,),
            ),
        ]


def later(encoded: Encoded, seconds: float) -> Encoded:
    """The same samples, so much later."""
    init, data = encoded
    ticks = round(seconds * read_track(init).timescale)
    moved = bytearray(data)
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"moof":
            place = find(data, ("traf", "tfdt"), at + 8, at + size)
            width = 8 if data[place.body] == 1 else 4
            begin = place.body + 4
            start = int.from_bytes(data[begin : begin + width], "big", signed=width == 8)
            moved[begin : begin + width] = (start + ticks).to_bytes(width, "big", signed=True)
        at += size
    return init, bytes(moved)
