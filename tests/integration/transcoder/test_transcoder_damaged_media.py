"""Objects that are cut or emptied are found by their size and made again, compacted or not."""

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.missing_media import expected_keys, expected_sizes
from services.transcoder.coordinator.reconcile_repository import ReconcileRepository
from services.transcoder.coordinator.reconciling import Reconciliation
from services.transcoder.handlers import state_of
from shared.blobs.s3 import S3Store, s3_client
from shared.event_store.store import EventStore
from tests.integration.transcoder.clips import make
from tests.integration.transcoder.stage import Processes, Studio
from tests.integration.transcoder.task_table import deletion_list
from tests.integration.transcoder.test_transcoder_compaction import due
from tests.support.databases import Database
from tests.support.wait import eventually


@pytest.mark.parametrize("compacted", [False, True])
async def test_damaged_objects_are_made_again(
    processes: Processes,
    studio: Studio,
    engine: AsyncEngine,
    database: Database,
    tmp_path: Path,
    compacted: bool,
) -> None:
    processes.planner()
    processes.worker()
    video_id = await studio.upload(make(tmp_path / "a.mp4", seconds=6))
    await studio.wait_for(video_id, "TranscodeCompleted")
    if compacted:
        await due(database, "clean_at")
        await studio.wait_for(video_id, "MediaCompacted")
    state = await state_of(studio.store, video_id)
    whole = {key: studio.get(key) for key in expected_keys(video_id, state)}
    s3 = studio.s3
    async with s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        media = S3Store(client, s3.media)
        rounds = Reconciliation(
            ReconcileRepository(engine),
            studio.store,
            media,
            deletion_list(engine),
            timedelta(hours=1),
        )
        assert await rounds.round(dry_run=False) == []
        sizes = expected_sizes(state)
        segments = next(key for key in sizes if "/240p/" in key and "init" not in key)
        playlist = f"{video_id}/a1/240p.m3u8"
        await media.put(segments, whole[segments][: sizes[segments] // 2], "video/mp4")
        await media.put(playlist, b"", "application/vnd.apple.mpegurl")
        found = await rounds.round(dry_run=False)
        assert [each.action for each in found] == ["remake"]
        assert found[0].detail.startswith("2 objects are missing or damaged")
        await studio.wait_for(video_id, "MediaRestored")
        await eventually(lambda: _whole(media, studio.store, video_id), 20)
        assert await rounds.round(dry_run=False) == []


async def _whole(media: S3Store, store: EventStore, video_id: str) -> bool:
    state = await state_of(store, video_id)
    sizes = expected_sizes(state)
    return all(
        [
            (await media.head(key)).size == sizes.get(key, 1) or key not in sizes
            for key in expected_keys(video_id, state)
        ]
    )
