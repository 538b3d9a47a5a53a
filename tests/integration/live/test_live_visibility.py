"""Who sees a live, as far as chats and clips ask: by the log, and less where it is unclear."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from services.live.chat.access import Access, Caller
from services.live.chat.rooms_repository import Room
from services.live.chat.rules import ChatNotFound
from services.live.handlers.live_events import LiveEvents
from shared.contracts import (
    Event,
    VideoBinned,
    VideoDeleted,
    VideoRestored,
    Visibility,
    VisibilityChanged,
    stream_id,
)
from shared.http.identity import Principal
from tests.integration.live.harness import OBS, Live


class Nobody:
    """No session of a user has ended."""

    async def has_ended(self, user_id: str, session_id: str) -> bool:
        return False


class Counted:
    """The log, and how many events were read of it."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.read = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        return self._counting(method) if name.startswith("read_") else method

    def _counting(self, method: Any) -> Any:
        async def read(*values: Any) -> Any:
            found = await method(*values)
            streams = found.values() if isinstance(found, dict) else [found]
            self.read += sum(len(events) for events in streams)
            return found

        return read


class Video:
    """A running live of ann's, and what other services append about its video."""

    def __init__(self, live: Live, video_id: str, live_id: str) -> None:
        self._live = live
        self.room = Room(video_id=video_id, live_id=live_id, user_id="ann", phase="open")
        self.events = live.one.events
        self.stream = stream_id("video", video_id)

    async def append(self, event: Event) -> None:
        await self._live.append(self.stream, event)

    async def show(self, visibility: Visibility) -> None:
        video_id = self.room.video_id
        await self.append(VisibilityChanged(video_id=video_id, visibility=visibility))

    async def append_newer(self, kind: str, stream: str = "") -> None:
        """An event of a version that this one cannot read."""
        await self._live.append_newer(stream or self.stream, kind)

    @property
    async def visibility(self) -> Visibility | None:
        return await self.events.visibility(self.room.video_id)

    async def reads_chat(self, user_id: str) -> bool:
        access = Access(self.events, Nobody(), "secret")
        principal = Principal(
            user_id=user_id,
            username=user_id,
            session_id="session",
            token_id="token",
            expires_at=0,
        )
        try:
            await access.check(self.room, Caller(principal))
        except ChatNotFound:
            return False
        return True


async def running(live: Live, **settings: Any) -> Video:
    live_id, key = await live.stream(**settings)
    session = await live.one.sessions.connect(key, OBS)
    return Video(live, session.video_id, live_id)


@pytest.mark.parametrize("visibility", get_args(Visibility))
async def test_what_the_owner_has_set_last_counts(live: Live, visibility: Visibility) -> None:
    video = await running(live, visibility="unlisted")
    assert await video.visibility == "unlisted"
    await video.show(visibility)
    assert await video.visibility == visibility
    assert await video.reads_chat("ann")
    assert await video.reads_chat("bob") == (visibility in ("public", "unlisted"))


@pytest.mark.parametrize("visibility", get_args(Visibility))
@pytest.mark.parametrize("kind", ["VisibilityChanged", "VideoHiddenByAReviewer"])
async def test_an_event_of_a_newer_version_leaves_it_to_its_owner(
    live: Live, visibility: Visibility, kind: str
) -> None:
    video = await running(live)
    await video.show(visibility)
    await video.append_newer(kind)
    assert await video.visibility == "private"
    assert await video.reads_chat("ann")
    assert not await video.reads_chat("bob")
    # What is said later may not undo what could not be read.
    await video.show("public")
    assert await video.visibility == "private"
    await video.append(
        VideoDeleted(video_id=video.room.video_id, user_id="ann", deleted_by="owner")
    )
    assert await video.visibility is None
    assert not await video.reads_chat("ann")


async def test_what_is_in_the_bin_is_seen_by_nobody_until_it_is_back(live: Live) -> None:
    video = await running(live, visibility="public")
    video_id = video.room.video_id
    until = datetime(2027, 1, 1, tzinfo=UTC)
    await video.append(VideoBinned(video_id=video_id, user_id="ann", delete_at=until))
    assert await video.visibility is None
    assert not await video.reads_chat("ann")
    assert not await video.events.is_video_deleted(video_id)
    await video.append(VideoRestored(video_id=video_id, user_id="ann"))
    assert await video.visibility == "public"
    assert await video.reads_chat("bob")


async def test_a_deletion_of_a_newer_version_is_one(live: Live) -> None:
    video = await running(live)
    await video.append_newer(VideoDeleted.__name__)
    assert await video.visibility is None


async def test_a_session_of_a_newer_version_is_its_owners(live: Live) -> None:
    video = await running(live)
    await video.append_newer("LivePublished", stream_id("livesession", video.room.video_id))
    assert await video.visibility == "private"


async def test_a_live_stream_of_a_newer_version_has_no_chat(live: Live) -> None:
    video = await running(live)
    access = Access(video.events, Nobody(), "secret")
    assert await access.has_chat(video.room)
    await video.append_newer("LiveStreamChanged", stream_id("live", video.room.live_id))
    assert not await access.has_chat(video.room)


async def test_what_is_no_live_is_nobodys(live: Live) -> None:
    assert await live.one.events.visibility("00000000-0000-7000-8000-000000000000") is None


async def test_who_asks_again_reads_what_is_new_alone(live: Live) -> None:
    video = await running(live)
    for visibility in ("unlisted", "private", "public") * 5:
        await video.show(visibility)
    log = Counted(live.store)
    video.events = LiveEvents(log)  # type: ignore[arg-type]
    access = Access(video.events, Nobody(), "secret")

    async def asked() -> tuple[Visibility | None, bool, bool]:
        deleted = await video.events.is_video_deleted(video.room.video_id)
        return await video.visibility, await access.has_chat(video.room), deleted

    assert await asked() == ("public", True, False)
    assert log.read > 15
    log.read = 0
    for _ in range(20):
        assert await asked() == ("public", True, False)
    assert log.read == 0
    await video.show("private")
    assert await asked() == ("private", True, False)
    assert log.read == 1


async def test_only_so_many_videos_are_remembered(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.live.handlers.live_events._KEPT", 1)
    events = LiveEvents(live.store)
    videos = [await running(live) for _ in range(2)]
    for visibility in ("unlisted", "private"):
        for video in videos:
            await video.show(visibility)
            assert await events.visibility(video.room.video_id) == visibility
    assert len(events._videos._kept) == 1
