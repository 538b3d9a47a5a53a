"""Clips of lives: a real database, a real ffmpeg, objects that are copied."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from prometheus_client import CollectorRegistry

from services.live.broadcasts.broadcast import Means
from services.live.broadcasts.broadcasts import Broadcasts
from services.live.clips.clips import Clips
from services.live.clips.making import ClipMaker
from services.live.clips.repository import ClipRow, ClipsRepository
from services.live.flv.tags import Tag
from services.live.http.addresses import Addresses
from services.live.http.app import live_app
from services.live.http.clips import clips_router
from services.live.packaging.child import Program
from services.live.ports import Publisher
from services.live.recording.finishing import VideoRecorder
from services.live.sessions_repository import SessionsRepository
from shared.contracts import (
    LiveClipMade,
    LivePosterMade,
    LiveRecorded,
    VideoDeleted,
    Visibility,
    VisibilityChanged,
    new_id,
    stream_id,
)
from shared.database.connect import create_engine
from shared.event_store.group_commit import LOG_CHANNEL
from shared.event_store.postgres import open_event_store
from shared.event_store.store import Metadata, NewEvent
from shared.http.identity import Verifier
from shared.loops.items import ItemMetrics
from shared.programs.confinement import Limits
from shared.programs.finding import find_ffmpeg
from tests.integration.live.harness import Live
from tests.integration.transcoder.clips import decoded
from tests.support.databases import Database
from tests.support.flv_files import flv
from tests.support.memory_blobs import MemoryBlobs

LIMITS = Limits(seconds=0, cpu_seconds=3600, memory_bytes=1 << 30, file_bytes=1 << 20, nice=0)


class Studio:
    """A live that is published by a test, and the clips of it."""

    def __init__(self, live: Live, database: Database, engine: Any, folder: Path) -> None:
        self.live, self.folder = live, folder
        self.catalog_url = database.url("catalog")
        self.blobs = MemoryBlobs()
        self.later = timedelta()
        sessions = live.one.sessions
        means = Means(
            sessions=sessions,
            blobs=self.blobs,
            program=Program(find_ffmpeg(None), folder, LIMITS),
            scratch=folder / "scratch",
            heights=(90,),
        )
        self.broadcasts = Broadcasts(means, most=2)
        recorder = VideoRecorder(sessions, self.blobs)
        self.clips = Clips(
            ClipsRepository(engine, 3),
            SessionsRepository(engine),
            live.one.events,
            ClipMaker(live.one.events, self.blobs, recorder, find_ffmpeg(None), folder),
            live.one.accounts,
            items=ItemMetrics(CollectorRegistry()),
            clock=lambda: datetime.now(UTC) + self.later,
        )
        self.app: Any = live_app(
            live.one.streams,
            addresses=Addresses(rtmp_url="rtmp://localhost:1935/live"),
            verifier=Verifier(live.keys, issuer="cinelog", audience="cinelog"),
            checks={},
            registry=CollectorRegistry(),
            others=[clips_router(self.clips)],
        )

    async def publish(self, key: str, tags: list[Tag]) -> str:
        """Publish all of it; the session's video."""
        sink = await self.broadcasts.admit(key, Publisher("rtmp", "192.0.2.1"))
        for tag in tags:
            await sink.take(tag)
        video_id = next(iter(self.broadcasts._broadcasts))
        await sink.close("unpublished", clean=True)
        await self.broadcasts.record()
        for task in list(self.broadcasts._recording.values()):
            await task
        return video_id

    async def ask(self, user: str, path: str, **body: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.live.keys.token(user)}"}
        key = body.pop("key", None)
        if key is not None:
            headers["idempotency-key"] = key
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://live") as client:
            if body.pop("get", False):
                return await client.get(f"/api/v1/live/{path}", headers=headers)
            return await client.post(f"/api/v1/live/{path}", headers=headers, json=body)

    async def state(self, user: str, clip: str) -> dict[str, Any]:
        answer = await self.ask(user, f"clips/{clip}", get=True)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    async def found(self, video_id: str, kind: type) -> list[Any]:
        events = await self.live.one.events.history(video_id)
        return [event for event in events if isinstance(event, kind)]

    async def append(self, video_id: str, event: Any) -> None:
        """As the catalog does."""
        name = stream_id("video", video_id)
        async with open_event_store(self.catalog_url) as store:
            version = len(await store.read_stream(name))
            await store.append(name, version, [NewEvent(event)], Metadata())

    def dump(self, video_id: str) -> Path:
        root = self.folder / "dump"
        for key in self.blobs.keys(f"{video_id}/"):
            path = root / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.blobs._objects[key][0])
        return root / video_id / "live"


@pytest.fixture
async def studio(live: Live, database: Database, tmp_path: Path) -> AsyncIterator[Studio]:
    engine = create_engine(database.url("live"), size=2)
    made = Studio(live, database, engine, tmp_path)
    yield made
    await made.broadcasts.close()
    await engine.dispose()


async def test_the_last_seconds_of_a_running_live_are_a_video(
    studio: Studio, tmp_path: Path
) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    live_id, key = await studio.live.stream()
    video = await studio.publish(key, tags)
    # The publisher has come back: the clip has the end of the one part, and the other one.
    assert await studio.publish(key, tags) == video
    answer = await studio.ask("ann", f"streams/{live_id}/clips", seconds=5, key="one")
    assert answer.status_code == 201, answer.text
    clip = answer.json()["data"]["video_id"]
    assert answer.json()["data"]["state"] == "waiting"
    assert clip != video
    again = await studio.ask("ann", f"streams/{live_id}/clips", seconds=5, key="one")
    assert again.json()["data"]["video_id"] == clip
    other = await studio.ask("ann", f"streams/{live_id}/clips", seconds=6, key="one")
    assert other.status_code == 409
    # Its last segments may be on their way.
    await studio.clips.round()
    assert (await studio.state("ann", clip))["state"] == "waiting"
    studio.later = timedelta(seconds=13)
    await studio.clips.round()
    state = await studio.state("ann", clip)
    assert state["state"] == "ready"
    (recorded,) = await studio.found(clip, LiveRecorded)
    assert recorded.duration_ms == state["duration_ms"]
    # Cut at segments of two seconds, and the last one may end after the wish.
    assert 5000 <= recorded.duration_ms < 9000
    (made,) = await studio.found(clip, LiveClipMade)
    assert (made.user_id, made.made_by, made.visibility) == ("ann", "ann", "public")
    assert made.title == "Bikes (clip)"
    assert made.size == recorded.size
    (poster,) = await studio.found(clip, LivePosterMade)
    assert studio.blobs._objects[poster.poster_key][0].startswith(b"\xff\xd8")
    # The live is deleted with everything that it had; the clip plays.
    await studio.blobs.delete_prefix(f"{video}/")
    folder = studio.dump(clip)
    for name in ("vod-top.m3u8", "vod-90.m3u8"):
        text = (folder / name).read_text()
        assert text.count("#EXT-X-DISCONTINUITY\n") == 1
        # ffmpeg's reader warns of a discontinuity, so each part is read alone.
        assert all((folder / line).exists() for line in text.splitlines() if line[:1] not in "#")
    listed = await studio.ask("ann", f"streams/{live_id}/clips", get=True)
    assert [each["video_id"] for each in listed.json()["data"]] == [clip]
    await studio.append(clip, VideoDeleted(video_id=clip, user_id="ann", deleted_by="ann"))
    listed = await studio.ask("ann", f"streams/{live_id}/clips", get=True)
    assert listed.json()["data"] == []


async def test_making_a_clip_may_be_interrupted_and_repeated(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_id, key = await studio.live.stream()
    await studio.publish(key, flv(tmp_path / "clip.flv", gop=25, sound=False))
    answer = await studio.ask("ann", f"streams/{live_id}/clips", seconds=5)
    clip = answer.json()["data"]["video_id"]
    studio.later = timedelta(seconds=13)
    recorder = studio.clips._maker._recorder

    async def fail(_: str) -> None:
        raise RuntimeError("the process ends")

    with monkeypatch.context() as patched:
        patched.setattr(recorder, "record", fail)
        await studio.clips.round()
    assert (await studio.state("ann", clip))["state"] == "waiting"
    studio.clips._items._waiting.clear()
    await studio.clips.round()
    assert (await studio.state("ann", clip))["state"] == "ready"
    assert len(await studio.found(clip, LiveClipMade)) == 1
    assert decoded(studio.dump(clip) / "vod-top.m3u8") == 100
    assert len(await studio.found(clip, LiveRecorded)) == 1


async def test_who_may_make_clips_and_who_sees_them(studio: Studio, tmp_path: Path) -> None:
    live_id, key = await studio.live.stream(visibility="unlisted")
    video = await studio.publish(key, flv(tmp_path / "clip.flv", gop=25, sound=False))
    path = f"videos/{video}/clips"
    refused = await studio.ask("bob", path)
    assert refused.status_code == 403
    assert refused.json()["error"]["type"] == "clips_not_allowed"
    async with studio.live.client() as client:
        body = {"clips_by": "everyone"}
        changed = await client.patch(f"/api/v1/live/streams/{live_id}", json=body)
        assert changed.json()["data"]["clips_by"] == "everyone"
    allowed = await studio.ask("bob", path, visibility="public", seconds=10, title="Goal!")
    assert allowed.status_code == 201, allowed.text
    clip = allowed.json()["data"]["video_id"]
    # Not by the way that only the owner has, and the clip is no business of others.
    assert (await studio.ask("bob", f"streams/{live_id}/clips")).status_code == 404
    assert (await studio.ask("eve", f"clips/{clip}", get=True)).status_code == 404
    studio.later = timedelta(seconds=13)
    await studio.clips.round()
    assert (await studio.state("bob", clip))["state"] == "ready"
    (made,) = await studio.found(clip, LiveClipMade)
    assert (made.user_id, made.made_by, made.visibility) == ("ann", "bob", "unlisted")
    for visibility in ("private", "draft"):
        await studio.append(video, _shown(video, visibility))
        hidden = await studio.ask("bob", path)
        unknown = await studio.ask("bob", "videos/00000000-0000-7000-8000-000000000000/clips")
        assert hidden.status_code == unknown.status_code == 409
        assert hidden.json()["error"]["message"] == unknown.json()["error"]["message"]


async def test_a_live_that_is_hidden_or_deleted_meanwhile_makes_no_clip(
    studio: Studio, tmp_path: Path
) -> None:
    live_id, key = await studio.live.stream()
    video = await studio.publish(key, flv(tmp_path / "clip.flv", gop=25, sound=False))
    async with studio.live.client() as client:
        await client.patch(f"/api/v1/live/streams/{live_id}", json={"clips_by": "everyone"})
    theirs = (await studio.ask("bob", f"videos/{video}/clips")).json()["data"]["video_id"]
    await studio.append(video, _shown(video, "private"))
    own = (await studio.ask("ann", f"videos/{video}/clips")).json()["data"]["video_id"]
    studio.later = timedelta(seconds=13)
    await studio.clips.round()
    refused = await studio.state("bob", theirs)
    assert refused["state"] == "failed"
    assert refused["reason"] == "The live was deleted, or it is private now."
    assert (await studio.state("ann", own))["state"] == "ready"
    (made,) = await studio.found(own, LiveClipMade)
    assert made.visibility == "private"
    last = (await studio.ask("ann", f"videos/{video}/clips")).json()["data"]["video_id"]
    await studio.blobs.delete_prefix(f"{video}/")
    studio.later = timedelta(seconds=30)
    await studio.clips.round()
    state = await studio.state("ann", last)
    assert (state["state"], state["reason"]) == ("failed", "The live was deleted.")
    assert studio.blobs.keys(f"{last}/") == []


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000001+00:00"])
async def test_a_clip_of_the_beginning_of_time_ends(
    studio: Studio, tmp_path: Path, moment: str
) -> None:
    _, key = await studio.live.stream()
    video = await studio.publish(key, flv(tmp_path / "clip.flv", gop=25, sound=False))
    asked = await studio.ask("ann", f"videos/{video}/clips", ends_at=moment)
    assert asked.status_code == 201, asked.text
    clip = asked.json()["data"]["video_id"]
    studio.later = timedelta(seconds=13)
    await studio.clips.round()
    state = await studio.state("ann", clip)
    assert (state["state"], state["reason"]) == ("failed", "Nothing of the live was stored yet.")


async def test_clips_are_so_many_a_day(studio: Studio, tmp_path: Path) -> None:
    live_id, key = await studio.live.stream()
    video = await studio.publish(key, flv(tmp_path / "clip.flv", gop=25, sound=False))
    path = f"videos/{video}/clips"
    async with studio.live.client() as client:
        await client.patch(f"/api/v1/live/streams/{live_id}", json={"clips_by": "everyone"})
    for _ in range(2):
        assert (await studio.ask("bob", path)).status_code == 201
    # One viewer leaves some for others.
    answer = await studio.ask("bob", path)
    assert answer.status_code == 403
    sentence = "You may make no more clips of this person's lives today."
    assert answer.json()["error"]["message"] == sentence
    assert (await studio.ask("eve", path)).status_code == 201
    # Others have used up what others may make of her lives; she has not.
    answer = await studio.ask("kim", path)
    assert answer.status_code == 403
    assert answer.json()["error"]["type"] == "quota_exceeded"
    for _ in range(3):
        assert (await studio.ask("ann", path)).status_code == 201
    assert (await studio.ask("ann", path)).status_code == 403
    for body in ({"seconds": 4}, {"seconds": 121}, {"visibility": "draft"}, {"x": 1}):
        assert (await studio.ask("ann", path, **body)).status_code == 400


async def test_what_somebody_clips_elsewhere_is_not_taken_from_an_owner(
    studio: Studio, tmp_path: Path
) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25, sound=False)
    videos: dict[str, str] = {}
    for owner in ("ann", "bob"):
        live_id, key = await studio.live.stream(owner)
        before = set(studio.broadcasts._broadcasts)
        await studio.publish(key, tags)
        (videos[owner],) = set(studio.broadcasts._broadcasts) - before
        async with studio.live.client(owner) as client:
            await client.patch(f"/api/v1/live/streams/{live_id}", json={"clips_by": "everyone"})
    of = {owner: f"videos/{video}/clips" for owner, video in videos.items()}
    # Two of three that viewers may make of hers, and two of three that bob may make.
    for user, owner in (("eve", "ann"), ("kim", "ann"), ("bob", "bob"), ("bob", "bob")):
        assert (await studio.ask(user, of[owner])).status_code == 201
    assert (await studio.ask("bob", of["ann"])).status_code == 201
    # Now both have all.
    own = await studio.ask("bob", of["bob"])
    others = await studio.ask("eve", of["ann"])
    assert (own.status_code, others.status_code) == (403, 403)
    assert own.json()["error"]["message"] == "You may make 3 clips a day."
    sentence = "Viewers may make 3 clips a day of one person's lives."
    assert others.json()["error"]["message"] == sentence


async def test_an_account_without_room_has_no_further_clips(studio: Studio, tmp_path: Path) -> None:
    live_id, key = await studio.live.stream()
    video = await studio.publish(key, flv(tmp_path / "clip.flv", gop=25, sound=False))
    async with studio.live.client() as client:
        await client.patch(f"/api/v1/live/streams/{live_id}", json={"clips_by": "everyone"})
    studio.live.one.accounts.full["ann"] = "The account has used its stored bytes: 9 of 8."
    said = []
    for user in ("ann", "bob"):
        answer = await studio.ask(user, f"videos/{video}/clips")
        assert answer.status_code == 403
        assert answer.json()["error"]["type"] == "quota_exceeded"
        said.append(answer.json()["error"]["message"])
    # Others do not learn what she has stored.
    assert said == [
        "The account has used its stored bytes: 9 of 8.",
        "The owner of this live has no room for another clip.",
    ]


def _shown(video: str, visibility: Visibility) -> VisibilityChanged:
    return VisibilityChanged(video_id=video, visibility=visibility)


async def test_whoever_makes_clips_is_told_of_a_new_one(database: Database) -> None:
    told = asyncio.Event()
    listening = await asyncpg.connect(database.url("live"))
    engine = create_engine(database.url("live"))
    try:
        await listening.add_listener(LOG_CHANNEL, lambda *_notification: told.set())
        clip = ClipRow(
            video_id=new_id(),
            live_id=new_id(),
            source_id=new_id(),
            user_id="ann",
            made_by="ann",
            title="A clip",
            visibility=None,
            seconds=30,
            ends_at=datetime.now(UTC),
            fingerprint="none",
            asked_at=datetime.now(UTC),
        )
        await ClipsRepository(engine, 3).add(clip)
        async with asyncio.timeout(60):
            await told.wait()
    finally:
        await listening.close()
        await engine.dispose()
