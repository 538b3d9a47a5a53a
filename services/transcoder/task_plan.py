"""The plan task: look at the source, decide what to make of it."""

from services.transcoder.ladder import ladder
from services.transcoder.plan import chunks, timeline
from services.transcoder.source import examine, open_source
from services.transcoder.tasks import Job, Workplace
from shared.contracts import TranscodePlanned

# Sound alone needs no frames; its segments are as long as those of a video.
_SOUND_SEGMENT_MS = 4000
_ENCODER = "x264"


async def make_plan(place: Workplace, job: Job) -> TranscodePlanned:
    """Raises MediaRejected, TaskFailed."""
    task = job.task
    source = await open_source(place.sources, task.source_key)
    found = await examine(place.tools.ffprobe, source, task.size, job.folder)
    renditions = ladder(found.facts)
    line = timeline(found.frame_rate) if renditions else None
    return TranscodePlanned(
        video_id=task.video_id,
        user_id=task.user_id,
        attempt=task.attempt,
        prefix=job.prefix,
        source=found.facts,
        renditions=renditions,
        chunks=chunks(line, found.duration or 0.0, splittable=found.seekable) if line else (),
        audio=found.facts.audio,
        segment_ms=line.segment_ms if line else _SOUND_SEGMENT_MS,
        encoder=f"{_ENCODER} {place.tools.preset}",
        worker=place.worker,
    )
