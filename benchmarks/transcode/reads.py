"""How many bytes of a source all its picture tasks read, plan included, beside its size.

Sound is not in it: its packets lie between the pictures, and its task reads the whole file once.
"""

from pathlib import Path

import msgspec

from services.transcoder.encoding.ffmpeg_chunks import read_from
from services.transcoder.encoding.probe import probe_indexed
from services.transcoder.encoding.source_reader import SourceReader
from services.transcoder.encoding.source_relay import SourceRelay
from services.transcoder.planning.plan import chunks, timeline
from shared.programs.finding import find_ffprobe
from tests.integration.transcoder.counted import Counted


class Reads(msgspec.Struct, frozen=True):
    """Bytes and requests of one worker that does everything."""

    size: int
    bytes: int
    requests: int
    chunks: int

    @property
    def ratio(self) -> float:
        return self.bytes / self.size


async def reads(source: Path, folder: Path) -> Reads:
    """Plan a source, then fetch what each chunk's tasks fetch; the first chunk has two."""
    counted = Counted(source)
    sources = SourceReader(counted.store, counted.store, SourceRelay())
    known = await sources.indexed("source")
    if known is None:
        raise ValueError("the source has no index")
    outline = await sources.open_outline(known, folder)
    found = await probe_indexed(find_ffprobe(None), known, outline, folder)
    video = found.facts.video
    if video is None:
        raise ValueError("the source has no picture")
    line = timeline(found.frame_rate)
    planned = chunks(line, found.duration or 0)
    gap = video.longest_frame_ms / 1000
    for chunk in (planned[0], *planned):
        begin = known.index.start + read_from(chunk, line, video)
        end = known.index.start + gap
        end += float((chunk.first_frame + (chunk.frames or 0)) / line.frame_rate)
        part = await sources.open_range("source", folder, begin, end)
        if part.remote:
            raise ValueError("a chunk was read by URL")
    return Reads(known.size, counted.bytes, counted.requests, len(planned))
