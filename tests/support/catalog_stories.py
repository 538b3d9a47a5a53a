"""Random but possible histories of a small site, from a seed."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

from shared.contracts import (
    CaptionsExtracted,
    CaptionsRemoved,
    CaptionsStored,
    CaptionTrack,
    DetailsChanged,
    Event,
    LiveConnected,
    LiveDisconnected,
    LiveEnded,
    LivePosterMade,
    LivePublished,
    LiveReconnected,
    LiveRecorded,
    SourceFacts,
    StoredObject,
    TagRemoved,
    TagsAdded,
    ThumbnailsCreated,
    TranscodeCancelled,
    TranscodeCompleted,
    TranscodeFailed,
    TranscodePlanned,
    TranscodeProgressed,
    TranscodeRetried,
    UploadExpired,
    UploadStarted,
    UserDeleted,
    UserRegistered,
    VideoBinned,
    VideoDeleted,
    VideoPlayable,
    VideoRestored,
    VideoTrack,
    VideoUploaded,
    ViewsCounted,
    VisibilityChanged,
    stream_id,
)
from shared.event_store.store import Metadata, SequencedEvent
from tests.support.catalog_events import RENDITION
from tests.support.live_events import live_connected

TAGS = ("Sea", "sea", "Go lang", "日本", "Ünïcode")
WORDS = ("Big", "bunny", "Война", "東京タワー", "café", "river")


_SOON = datetime(2026, 6, 1, tzinfo=UTC)


def _connected(video: str, owner: str, kept: bool) -> LiveConnected:
    return live_connected(video, owner, live_id="l", title="Live", record=kept)


def _of_session(video: str) -> tuple[Event, ...]:
    """What may happen to a session in any order, but for its end."""
    key = f"{video}/live/poster.jpg"
    return (
        LivePublished(video_id=video, epoch=1, first_segment=0, started_at=_SOON, tracks=()),
        LiveDisconnected(video_id=video, epoch=1, reason="lost", clean=False),
        LiveReconnected(video_id=video, epoch=2, protocol="srt", replica="two"),
        LivePosterMade(
            video_id=video, poster_key=key, object=StoredObject(key=key, size=1, sha256="00")
        ),
        LiveEnded(video_id=video, live_id="l", user_id="", reason="over"),
    )


def _recorded(video: str) -> LiveRecorded:
    return LiveRecorded(
        video_id=video,
        playlist_key=f"{video}/live/vod.m3u8",
        dash_key=f"{video}/live/vod.mpd",
        duration_ms=9000,
        width=640,
        height=360,
        renditions=(RENDITION,),
        size=1000,
    )


def _extracted(video: str, attempt: int) -> CaptionsExtracted:
    """What a worker has found in the source."""
    fact = StoredObject(key=f"{video}/captions/de-f.vtt", size=3, sha256="f")
    track = CaptionTrack(language="de", kind="subtitles", label="de", object=fact, origin="file")
    return CaptionsExtracted(video_id=video, attempt=attempt, tracks=(track,), worker="w")


def _captions(
    video: str, language: str, size: int
) -> CaptionsStored | CaptionsRemoved | CaptionsExtracted:
    """New captions, or none any more where there is no ``size``; of the largest, what a worker has
    found."""
    if size == 9:
        return _extracted(video, 1)
    if not size:
        return CaptionsRemoved(video_id=video, language=language, removed_bytes=1)
    fact = StoredObject(key=f"{video}/captions/{language}.vtt", size=size, sha256="00")
    track = CaptionTrack(language=language, kind="captions", label=language, object=fact)
    return CaptionsStored(video_id=video, track=track)


class Story:
    """Generates events that the services could append, in random order."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._users: list[str] = []
        self._videos: list[tuple[str, str]] = []
        self._attempts: dict[str, int] = {}
        self._lives: dict[str, bool] = {}

    def facts(self, count: int) -> Iterator[tuple[str, Event]]:
        """``count`` events, each with its stream."""
        for _ in range(count):
            yield self._next()

    def _next(self) -> tuple[str, Event]:
        chance = self._random.random()
        if not self._users or chance < 0.06:
            return self._new_user()
        if not self._videos or chance < 0.2:
            return self._new_video()
        if chance < 0.22:
            user = self._random.choice(self._users)
            return stream_id("user", user), UserDeleted(user_id=user)
        if chance < 0.3:
            return self._live()
        video, owner = self._random.choice(self._videos)
        if chance < 0.63:
            return stream_id("transcode", video), self._transcode(video, owner)
        if chance < 0.66 and video not in self._lives:
            return stream_id("upload", video), UploadExpired(video_id=video, user_id=owner)
        event = self._governed(video, owner)
        written = "transcode" if isinstance(event, CaptionsExtracted) else "video"
        return stream_id(written, video), event

    def _live(self) -> tuple[str, Event]:
        """A session's first event, or the next of one that has not ended, or its recording."""
        pick = self._random
        running = [video for video, ended in self._lives.items() if not ended]
        if not running or pick.random() < 0.3:
            video, owner = self._id(), pick.choice(self._users)
            self._videos.append((video, owner))
            self._lives[video] = False
            return stream_id("livesession", video), _connected(video, owner, pick.random() < 0.8)
        ended = [video for video, over in self._lives.items() if over]
        if ended and pick.random() < 0.3:
            video = pick.choice(ended)
            return stream_id("livesession", video), _recorded(video)
        video = pick.choice(running)
        event = pick.choice(_of_session(video))
        self._lives[video] = isinstance(event, LiveEnded)
        return stream_id("livesession", video), event

    def _id(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _new_user(self) -> tuple[str, Event]:
        user = self._id()
        self._users.append(user)
        return stream_id("user", user), UserRegistered(user_id=user, username=f"Name {user[:4]}")

    def _new_video(self) -> tuple[str, Event]:
        pick = self._random
        if len(self._videos) > len(self._lives) and pick.random() < 0.5:
            video, owner = pick.choice(
                [each for each in self._videos if each[0] not in self._lives]
            )
        else:
            video, owner = self._id(), pick.choice(self._users)
            self._videos.append((video, owner))
            if pick.random() < 0.5:
                started = UploadStarted(video_id=video, user_id=owner, protocol="tus")
                return stream_id("upload", video), started
        return stream_id("upload", video), VideoUploaded(
            video_id=video,
            user_id=owner,
            title=self._words(),
            description=self._words(),
            filename="a.mp4",
            content_type="video/mp4",
            size=1,
            source_key="k",
            tags=tuple(pick.sample(TAGS, pick.randint(0, 2))),
            visibility=pick.choice(("public", "public", "unlisted", "private", "draft")),
        )

    def _words(self) -> str:
        return " ".join(self._random.choices(WORDS, k=self._random.randint(1, 4)))

    def _transcode(self, video: str, owner: str) -> Event:
        pick = self._random
        attempt = self._attempts.get(video, 1)
        size = {"duration_ms": pick.randint(1, 9_999), "width": 640, "height": 360}
        key = f"{video}/{attempt}/master.m3u8"
        kind = pick.randint(0, 7)
        if kind == 0:
            return TranscodePlanned(
                video_id=video,
                user_id=owner,
                attempt=attempt,
                prefix=f"{video}/",
                source=SourceFacts(
                    container="mp4",
                    duration_ms=5000,
                    size=1,
                    video=VideoTrack(codec="h264", width=320, height=240),
                ),
                renditions=(),
                chunks=(),
                audio=(),
                segment_ms=4000,
                encoder="x",
                worker="w",
            )
        if kind == 1:
            percent = pick.uniform(0, 100)
            return TranscodeProgressed(
                video_id=video, attempt=attempt, percent=percent, stage="encoding"
            )
        if kind == 2:
            return VideoPlayable(video_id=video, attempt=attempt, playlist_key=key, **size)
        if kind == 3:
            poster = f"{video}/{attempt}/poster.webp"
            return ThumbnailsCreated(video_id=video, attempt=attempt, poster_key=poster)
        if kind == 4:
            return TranscodeFailed(video_id=video, attempt=attempt, code="c", reason="r")
        if kind == 5:
            self._attempts[video] = attempt + 1
            return TranscodeRetried(video_id=video, attempt=attempt + 1, requested_by=owner)
        if kind == 6:
            return TranscodeCancelled(video_id=video, requested_by=owner)
        return TranscodeCompleted(
            video_id=video,
            attempt=attempt,
            playlist_key=key,
            renditions=(RENDITION,),
            size=1,
            **size,
        )

    def _governed(self, video: str, owner: str) -> Event:
        pick = self._random
        kind = pick.randint(0, 7)
        if kind == 0:
            return DetailsChanged(video_id=video, title=self._words(), description=self._words())
        if kind == 1:
            return TagsAdded(video_id=video, tags=tuple(pick.sample(TAGS, 2)))
        if kind == 2:
            return TagRemoved(video_id=video, tag=pick.choice(TAGS))
        if kind == 3:
            visibility = pick.choice(("public", "unlisted", "private", "draft"))
            publish_at = _SOON if visibility == "draft" and pick.random() < 0.5 else None
            return VisibilityChanged(video_id=video, visibility=visibility, publish_at=publish_at)
        if kind == 4:
            return _captions(video, pick.choice(("de", "en")), pick.randint(0, 9))
        if kind == 7 and pick.random() < 0.5:
            return VideoBinned(video_id=video, user_id=owner, delete_at=_SOON)
        if kind == 7:
            return VideoRestored(video_id=video, user_id=owner)
        if kind < 6 or pick.random() < 0.6:
            return ViewsCounted(video_id=video, count=pick.randint(1, 9), batch_id=self._id())
        return VideoDeleted(video_id=video, user_id=owner, deleted_by="owner")


def recorded(seed: int, count: int) -> list[SequencedEvent]:
    """A whole log, as if it had been read from the store."""
    versions: dict[str, int] = {}
    log: list[SequencedEvent] = []
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for position, (stream, event) in enumerate(Story(seed).facts(count), start=1):
        versions[stream] = versions.get(stream, 0) + 1
        log.append(
            SequencedEvent(
                position=position,
                stream_id=stream,
                version=versions[stream],
                type=type(event).__name__,
                data=event,
                event_id=UUID(int=position),
                metadata=Metadata(),
                recorded_at=start + timedelta(seconds=position),
            )
        )
    return log
