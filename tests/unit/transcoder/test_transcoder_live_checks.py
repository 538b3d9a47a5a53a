"""What a live's log says of its objects is compared with the bucket."""

from pathlib import Path

import pytest

from services.transcoder.coordinator.live_checks import live_checks, missing_of_live
from services.transcoder.coordinator.scrub_reading import Pace, Verdict, read_check
from tests.support.memory_blobs import MemoryBlobs
from tests.support.recorded_lives import RecordedLive, later, picture, sound


@pytest.fixture
async def bucket() -> MemoryBlobs:
    return MemoryBlobs()


@pytest.fixture
async def live(bucket: MemoryBlobs, tmp_path: Path) -> RecordedLive:
    made = RecordedLive("v", lambda key, data: None)
    shown, heard = picture(tmp_path, "top", "160x90"), sound(tmp_path)
    for number in range(2):
        made.add(top=later(shown, 1 + 2 * number), a=later(heard, 1 + 2 * number))
    made.end()
    for key, data in made.objects.items():
        await bucket.put(key, data, "video/mp4")
    return made


async def verdicts(live: RecordedLive, bucket: MemoryBlobs) -> dict[str, Verdict]:
    return {c.key: await read_check(bucket, c, Pace()) for c in live_checks(live.events)}


async def wrong(live: RecordedLive, bucket: MemoryBlobs) -> dict[str, str]:
    held = {blob.key: blob async for blob in bucket.list("v/")}
    return missing_of_live(live.events, held)


async def test_a_whole_recording_is_sound(live: RecordedLive, bucket: MemoryBlobs) -> None:
    found = await verdicts(live, bucket)
    assert set(found) == set(live.objects)
    assert set(found.values()) == {"sound"}
    assert await wrong(live, bucket) == {}


async def test_a_damaged_and_a_missing_segment_are_named(
    live: RecordedLive, bucket: MemoryBlobs
) -> None:
    damaged, lost = "v/live/1/top/1.m4s", "v/live/1/a/0.m4s"
    await bucket.put(damaged, live.objects[damaged][:-1] + b"?", "video/mp4")
    await bucket.delete(lost)
    found = await verdicts(live, bucket)
    assert {key: found[key] for key in (damaged, lost)} == {damaged: "damaged", lost: "missing"}
    assert sum(verdict == "sound" for verdict in found.values()) == len(found) - 2
    # A listing tells what is missing, or has another size.
    assert await wrong(live, bucket) == {lost: "it is missing"}
    await bucket.put(damaged, b"?", "video/mp4")
    assert set(await wrong(live, bucket)) == {damaged, lost}


async def test_what_still_runs_is_not_checked(live: RecordedLive) -> None:
    assert live_checks(live.events[:-1]) == []
