"""A sweep whose table is behind the log deletes nothing of a later attempt."""

from services.transcoder.coordinator.sweeping import sweep
from services.transcoder.handlers import record, retry
from services.transcoder.jobs import JobRecord
from shared.blobs.s3 import S3Store, s3_client
from shared.contracts import Event, TranscodeFailed, TranscodeRetried
from tests.integration.transcoder.stage import Studio
from tests.unit.transcoder.facts_about import plan

FAILED = TranscodeFailed(video_id="v", attempt=1, code="c", reason="r")
RETRIED = TranscodeRetried(video_id="v", attempt=2, requested_by="u")


async def test_the_playlist_of_a_retry_survives_the_sweep_of_the_attempt_before(
    studio: Studio,
) -> None:
    job = JobRecord("v", "u", 1, "failed", 0, None, None)
    s3 = studio.s3
    async with s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        media = S3Store(client, s3.media)
        await media.put("v/master.m3u8", b"#EXTM3U", "application/vnd.apple.mpegurl")
        await record_all(studio, [plan(), FAILED, RETRIED])
        await sweep(studio.store, media, job)
        assert await media.exists("v/master.m3u8")


async def test_a_failed_attempt_is_swept(studio: Studio) -> None:
    job = JobRecord("v", "u", 1, "failed", 0, None, None)
    s3 = studio.s3
    async with s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        media = S3Store(client, s3.media)
        for key in ("v/master.m3u8", "v/a1/240p.m3u8", "v/a2/240p.m3u8"):
            await media.put(key, b"#EXTM3U", "application/vnd.apple.mpegurl")
        await record_all(studio, [plan(), FAILED])
        await sweep(studio.store, media, job)
        assert studio.keys() == ["v/a2/240p.m3u8"]


async def record_all(studio: Studio, events: list[Event]) -> None:
    for event in events:
        if isinstance(event, TranscodeRetried):
            await retry(studio.store, "v", "u")
        else:
            await record(studio.store, "v", event, None)
