"""A recorded live becomes an ordinary video: what uploads get, made from its best picture."""

from pathlib import Path

from services.transcoder.planning.recording import CONTAINER
from shared.contracts import (
    ThumbnailsCreated,
    TranscodeCompleted,
    TranscodePlanned,
    VideoDeleted,
    new_id,
    stream_id,
)
from shared.event_store.store import Metadata, NewEvent
from tests.integration.transcoder.stage import Processes, Studio
from tests.support.recorded_lives import RecordedLive, later, picture, sound
from tests.support.wait import eventually


def live(studio: Studio) -> RecordedLive:
    def put(key: str, data: bytes) -> None:
        studio.s3.client().put_object(Bucket=studio.s3.media, Key=key, Body=data)

    return RecordedLive(new_id(), put)


async def record(studio: Studio, made: RecordedLive) -> str:
    made.end()
    await studio._others.append(
        stream_id("livesession", made.video_id),
        0,
        [NewEvent(event) for event in made.events],
        Metadata(correlation_id=made.video_id, actor="user-1"),
    )
    return made.video_id


async def completed(studio: Studio, video_id: str) -> tuple[TranscodePlanned, TranscodeCompleted]:
    done = await studio.wait_for(video_id, "TranscodeCompleted")
    plans = [each.data for each in await studio.story(video_id)]
    planned = [each for each in plans if isinstance(each, TranscodePlanned)][-1]
    assert isinstance(done, TranscodeCompleted)
    return planned, done


async def test_recorded_lives_get_what_uploads_get(
    studio: Studio, processes: Processes, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker()
    shown, heard = picture(tmp_path, "top", "640x360"), sound(tmp_path)
    lower = picture(tmp_path, "240", "426x240")
    ordinary = live(studio)
    for number in range(3):
        begin = 1 + 2 * number
        lowest = {"240": later(lower, begin)}
        ordinary.add(top=later(shown, begin), a=later(heard, begin), **lowest, jump=False)
    first = await record(studio, ordinary)

    # The publisher came back with another size and without sound.
    changed = live(studio)
    changed.add(top=later(shown, 1), a=later(heard, 1))
    changed.add(jump=True, top=later(lower, 60))
    second = await record(studio, changed)

    short = live(studio)
    short.add(top=later(picture(tmp_path, "short", "320x180", seconds=1), 1))
    third = await record(studio, short)

    planned, done = await completed(studio, first)
    assert planned.source.container == CONTAINER
    assert planned.attempt == 1
    assert {each.height for each in done.renditions} >= {360, 240}
    assert abs(done.duration_ms - 6000) < 100
    assert len(planned.audio) == 1
    pictures = await studio.wait_for(first, "ThumbnailsCreated")
    assert isinstance(pictures, ThumbnailsCreated)
    assert pictures.storyboard_key is not None
    assert await studio.wait_for(first, "MediaCompacted")
    assert set(ordinary.objects) <= set(studio.keys(first))

    planned, done = await completed(studio, second)
    assert planned.plain
    assert abs(done.duration_ms - 4000) < 150

    _, done = await completed(studio, third)
    assert abs(done.duration_ms - 1000) < 100

    gone = VideoDeleted(video_id=first, user_id="user-1", deleted_by="user-1")
    await studio.append("video", first, gone)
    await eventually(lambda: not studio.keys(first), 30)
