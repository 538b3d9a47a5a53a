"""A small completed video: its events, and the objects that the buckets should hold for it."""

import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec

from services.ingest.domain import source_key
from services.transcoder.coordinator.media_objects import required, sprites
from services.transcoder.coordinator.missing_media import expected_sizes
from services.transcoder.domain.evolution import evolve
from services.transcoder.domain.state import Transcode, audio_name
from services.transcoder.manifests.hls_iframes import iframes_name
from services.transcoder.object_keys import attempt_prefix, storyboard_key
from shared.contracts import (
    AudioEncoded,
    AudioTrack,
    Chunk,
    ChunkEncoded,
    EncodedTrack,
    Event,
    Rendition,
    Segment,
    SourceFacts,
    ThumbnailsCreated,
    TranscodeCompleted,
    TranscodePlanned,
    TranscodeProgressed,
    UploadStarted,
    VideoPlayable,
    VideoTrack,
    VideoUploaded,
    stream_id,
)

SIZE = 600
_RENDITIONS = (
    Rendition(name="360p", width=640, height=360, frame_rate="25/1"),
    Rendition(name="240p", width=426, height=240, frame_rate="25/1"),
)


class Video(msgspec.Struct, frozen=True):
    """``events`` with their streams; ``media``: sizes of the media bucket's objects, by key."""

    id: str
    user_id: str
    source: str
    plan: TranscodePlanned
    events: tuple[tuple[str, Event], ...]
    media: dict[str, int]


def video(number: int) -> Video:
    """Five seconds in two renditions with sound, not yet compacted."""
    video_id, user_id = _id("video", number), _id("user", number // 10)
    work = tuple(_work(video_id, user_id))
    plan = work[0]
    assert isinstance(plan, TranscodePlanned)
    state = Transcode()
    for event in work:
        state = evolve(state, event)
    keys = required(video_id, state) | sprites(state)
    keys |= {f"{plan.prefix}/{iframes_name(name)}.m3u8" for name in state.video}
    sizes = expected_sizes(state)
    return Video(
        id=video_id,
        user_id=user_id,
        source=source_key(video_id),
        plan=plan,
        events=(
            *((stream_id("upload", video_id), event) for event in _upload(video_id, user_id)),
            *((stream_id("transcode", video_id), event) for event in work),
        ),
        media={key: sizes.get(key, SIZE) for key in sorted(keys)},
    )


def _upload(video_id: str, user_id: str) -> Iterator[Event]:
    yield UploadStarted(video_id=video_id, user_id=user_id, protocol="tus", title="A clip")
    yield VideoUploaded(
        video_id=video_id,
        user_id=user_id,
        title="A clip",
        description="",
        filename="clip.mp4",
        content_type="video/mp4",
        size=SIZE,
        source_key=source_key(video_id),
    )


def _work(video_id: str, user_id: str) -> Iterator[Event]:
    at: dict[str, Any] = {"video_id": video_id, "attempt": 1}
    done: dict[str, Any] = {"worker": "worker-1", "try_number": 1, "elapsed_ms": 900}
    shape: dict[str, Any] = {"duration_ms": 5000, "width": 640, "height": 360}
    prefix, master = attempt_prefix(video_id, 1), f"{video_id}/master.m3u8"
    yield TranscodePlanned(
        **at,
        user_id=user_id,
        prefix=prefix,
        source=SourceFacts(
            container="mov",
            duration_ms=5000,
            size=SIZE,
            video=VideoTrack(codec="h264", width=640, height=360, frame_rate="25/1"),
            audio=(AudioTrack(index=0, codec="aac"),),
        ),
        renditions=_RENDITIONS,
        chunks=(Chunk(index=0, first_segment=0, segments=2, first_frame=0, frames=125),),
        audio=(AudioTrack(index=0, codec="aac"),),
        segment_ms=4000,
        encoder="x264 veryfast",
        worker="worker-1",
    )
    sound = _track(prefix, audio_name(0), "mp4a.40.2")
    yield AudioEncoded(**at, **done, tracks=(sound,))
    for rendition, codecs in zip(
        reversed(_RENDITIONS), ("avc1.640015", "avc1.64001e"), strict=True
    ):
        track = _track(prefix, rendition.name, codecs)
        yield ChunkEncoded(**at, **done, chunk=0, tracks=(track,), speed=8.0)
    yield VideoPlayable(**at, **shape, playlist_key=master)
    yield TranscodeProgressed(**at, percent=60.0, stage="encoding")
    yield ThumbnailsCreated(
        **at,
        poster_key=f"{prefix}/poster.webp",
        storyboard_key=storyboard_key(prefix),
        preview_key=f"{prefix}/preview.mp4",
    )
    yield TranscodeCompleted(
        **at,
        **shape,
        playlist_key=master,
        renditions=(),
        size=6 * SIZE,
        dash_key=f"{video_id}/manifest.mpd",
    )


def _track(prefix: str, name: str, codecs: str) -> EncodedTrack:
    segments = tuple(
        Segment(index=n, start=n * 100_000, duration=100_000, size=SIZE, offset=n * SIZE)
        for n in range(2)
    )
    return EncodedTrack(
        name=name,
        timescale=25_000,
        codecs=codecs,
        init_key=f"{prefix}/{name}/init-{_hex(name)}.mp4",
        init_sha256="0" * 64,
        init_size=SIZE,
        key=f"{prefix}/{name}/00000-{_hex(name)}.mp4",
        segments=segments,
    )


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _id(kind: str, number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {number}"))
