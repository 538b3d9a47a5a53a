"""Plans and encoded tracks for the tests of what follows from them."""

from fractions import Fraction

from services.transcoder.domain.evolution import evolve
from services.transcoder.domain.state import Transcode, audio_name
from services.transcoder.planning.plan import chunks, timeline
from shared.contracts import (
    AudioEncoded,
    AudioTrack,
    CaptionsExtracted,
    ChunkEncoded,
    EncodedTrack,
    Event,
    Rendition,
    Segment,
    SourceFacts,
    TextTrack,
    ThumbnailsCreated,
    TranscodeCompleted,
    TranscodePlanned,
    VideoTrack,
)

SIZES = {"360p": (640, 360), "240p": (426, 240)}
CODECS = {"360p": "avc1.64001E", "240p": "avc1.640015"}
SIZE = {"360p": 300_000, "240p": 100_000}


TEXT = TextTrack(stream=2, codec="subrip", language="en", kind="subtitles", label="en")


def plan(
    seconds: float = 20.0,
    names: tuple[str, ...] = ("360p", "240p"),
    audio: int = 1,
    texts: tuple[TextTrack, ...] = (),
) -> TranscodePlanned:
    line = timeline(Fraction(25))
    video = VideoTrack(codec="h264", width=640, height=360, frame_rate="25/1") if names else None
    tracks = tuple(AudioTrack(index=i, codec="aac") for i in range(audio))
    return TranscodePlanned(
        video_id="v",
        user_id="u",
        attempt=1,
        prefix="v/a1",
        source=SourceFacts(
            container="mov",
            duration_ms=round(seconds * 1000),
            size=1,
            video=video,
            audio=tracks,
            texts=texts,
        ),
        renditions=tuple(
            Rendition(name=n, width=SIZES[n][0], height=SIZES[n][1], frame_rate="25/1")
            for n in names
        ),
        chunks=chunks(line, seconds) if names else (),
        audio=tracks,
        segment_ms=line.segment_ms,
        encoder="x264 veryfast",
        worker="w",
    )


def track(planned: TranscodePlanned, name: str, chunk: int) -> EncodedTrack:
    of = planned.chunks[chunk]
    segments: list[Segment] = []
    left, start = of.frames or 0, of.first_frame
    while left > 0:
        frames = min(100, left)
        segments.append(
            Segment(
                index=of.first_segment + len(segments),
                start=start * 1000,
                duration=frames * 1000,
                size=SIZE[name] * frames // 100,
                offset=sum(s.size for s in segments),
                key_bytes=9_000,
            )
        )
        left, start = left - frames, start + frames
    return EncodedTrack(
        name=name,
        timescale=25_000,
        codecs=CODECS[name],
        init_key=f"v/a1/{name}/init.mp4",
        init_sha256="0" * 64,
        init_size=800,
        key=f"v/a1/{name}/{chunk:05d}.mp4",
        segments=tuple(segments),
    )


def chunk_encoded(planned: TranscodePlanned, chunk: int, *names: str) -> ChunkEncoded:
    return ChunkEncoded(
        video_id="v",
        attempt=1,
        chunk=chunk,
        tracks=tuple(track(planned, name, chunk) for name in names),
        worker="w",
        try_number=1,
        elapsed_ms=1,
        speed=1.0,
    )


def audio_encoded(first: int, count: int, *, complete: bool = False) -> AudioEncoded:
    segments = tuple(
        Segment(index=first + i, start=(first + i) * 192_512, duration=192_512, size=64_000)
        for i in range(count)
    )
    sound = EncodedTrack(
        name=audio_name(0),
        timescale=48_000,
        codecs="mp4a.40.2",
        init_key="v/a1/audio-0/init.mp4",
        init_sha256="0" * 64,
        init_size=800,
        key=f"v/a1/audio-0/{first:05d}.mp4",
        segments=segments,
    )
    return AudioEncoded(
        video_id="v",
        attempt=1,
        complete=complete,
        tracks=(sound,),
        worker="w",
        try_number=1,
        elapsed_ms=1,
    )


IMAGES = ThumbnailsCreated(video_id="v", attempt=1, poster_key="v/a1/poster.webp")
# Objects of captions belong to the video's stream: tests of their own are about those.
CAPTIONS = CaptionsExtracted(video_id="v", attempt=1, tracks=(), worker="w")
COMPLETED = TranscodeCompleted(
    video_id="v",
    attempt=1,
    playlist_key="v/master.m3u8",
    duration_ms=1,
    width=1,
    height=1,
    renditions=(),
    size=1,
)


def after(*events: Event) -> Transcode:
    state = Transcode()
    for event in events:
        state = evolve(state, event)
    return state
