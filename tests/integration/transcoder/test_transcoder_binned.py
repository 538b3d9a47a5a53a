"""A video in the bin is nobody's to try again, and its objects stay."""

from datetime import UTC, datetime

from services.transcoder.handlers import is_deleted, is_gone, is_shown_to_others
from shared.contracts import Event, VideoBinned, VideoDeleted, VideoRestored, new_id, stream_id
from shared.event_store.postgres import open_event_store
from shared.event_store.store import Metadata, NewEvent
from tests.support.catalog_events import uploaded
from tests.support.databases import Database


async def test_the_bin_hides_a_video_and_deletes_nothing(database: Database) -> None:
    video = new_id()
    binned = VideoBinned(video_id=video, user_id="ann", delete_at=datetime(2027, 1, 1, tzinfo=UTC))
    restored = VideoRestored(video_id=video, user_id="ann")
    deleted = VideoDeleted(video_id=video, user_id="ann", deleted_by="owner")
    async with open_event_store(database.admin_url) as store:
        upload = [NewEvent(uploaded(video, "ann"))]
        await store.append(stream_id("upload", video), 0, upload, Metadata())
        stories: list[tuple[Event, tuple[bool, bool, bool]]] = [
            # Gone for its owner, shown to others, deleted.
            (binned, (True, False, False)),
            (restored, (False, True, False)),
            (binned, (True, False, False)),
            (deleted, (True, False, True)),
        ]
        for version, (event, expected) in enumerate(stories):
            await store.append(stream_id("video", video), version, [NewEvent(event)], Metadata())
            found = (
                await is_gone(store, video),
                await is_shown_to_others(store, video),
                await is_deleted(store, video),
            )
            assert found == expected, event
