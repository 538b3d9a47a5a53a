"""The plan task: look at the source, decide what to make of it."""

import asyncio
from fractions import Fraction
from typing import Final

from services.transcoder.encoding.probe import examine, examine_index
from services.transcoder.encoding.source_reader import Indexed
from services.transcoder.mp4 import fragments as remux
from services.transcoder.planning import passthrough as fitness
from services.transcoder.planning.extra_codecs import further
from services.transcoder.planning.ladder import ladder
from services.transcoder.planning.passthrough import Fitness
from services.transcoder.planning.plan import along, chunks, timeline
from services.transcoder.planning.probe_report import Source
from services.transcoder.worker.context import Job, Workplace
from services.transcoder.worker.source_copy import Copy, copy_source
from shared.contracts import TranscodePlanned
from shared.telemetry import get_logger

_log = get_logger(__name__)

# Sound alone needs no frames; its segments are as long as those of a video.
_SOUND_SEGMENT_MS = 4000
_ENCODER = "x264"
# So many of a source's key frames are looked at before it is believed.
_LOOKS: Final = 6
_LOOK_BYTES: Final = 32 << 10


async def make_plan(place: Workplace, job: Job) -> TranscodePlanned:
    """Raises MediaRejected, TaskFailed."""
    task = job.task
    known = await place.sources.indexed(task.source_key)
    copy: Copy | None = None
    if known is not None:
        outline = await place.sources.open_outline(known, job.folder)
        found = await examine_index(place.tools.ffprobe, known, outline, job.folder)
    else:
        source = await place.sources.open_whole(task.source_key)
        found = await examine(place.tools.ffprobe, source, task.size, job.folder)
        copy = await copy_source(place, job, source, found.facts)
        if copy is not None:
            known, found = copy.known, copy.found
    key = copy.key if copy else task.source_key
    fit = await _fitness(place, job, key, known, found)
    everywhere = fitness.renditions(found.facts) if fit.borders else ladder(found.facts)
    # The lowest that everybody can play stays last: it is what plays first.
    renditions = (*further(ladder(found.facts), place.tools.extra_codecs), *everywhere)
    line = timeline(found.frame_rate) if renditions else None
    if fit.borders:
        line = along(found.frame_rate, fit.borders)
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
        borders=fit.borders,
        picture_delay_us=fit.delay_us,
        remuxed_key=copy.key if copy else None,
    )


async def _fitness(
    place: Workplace, job: Job, key: str, known: Indexed | None, found: Source
) -> Fitness:
    """Whether the source may be its own top rendition. A second attempt encodes in any case."""
    track = known.index.picture if known else None
    if track is None or job.task.attempt > 1:
        return Fitness(reason="its frames cannot be found without reading all of it")
    fit = await asyncio.to_thread(fitness.judge, found.facts, track, found.frame_rate, found.start)
    if fit.reason is None:
        step = Fraction(len(fit.samples), _LOOKS)
        looked = {fit.samples[int(step * number)] for number in range(_LOOKS)}
        heads = await asyncio.gather(
            *(
                place.sources.read(
                    key,
                    track.offsets[sample],
                    track.offsets[sample] + min(track.sizes[sample], _LOOK_BYTES),
                )
                for sample in sorted(looked)
            )
        )
        if not all(remux.begins_anew(head, track.entry) for head in heads):
            fit = Fitness(reason="its key frames are not IDR pictures")
    if fit.reason is not None:
        _log.info("encoded like any other", task=job.task.task_id, reason=fit.reason)
    return fit
