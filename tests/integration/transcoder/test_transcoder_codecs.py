"""The ladder once more in HEVC and AV1, beside H.264."""

import re
from pathlib import Path

from shared.contracts import MediaCompacted, TranscodeCompleted
from shared.mp4 import fragment_reader
from tests.integration.transcoder.clips import decoded, make
from tests.integration.transcoder.screen import screen
from tests.integration.transcoder.stage import Processes, Studio
from tests.support.wait import eventually

NAMES = ("240p", "240p-av1", "240p-hevc")


async def test_further_rendition_sets(processes: Processes, studio: Studio, tmp_path: Path) -> None:
    processes.planner()
    processes.worker(EXTRA_CODECS="av1,hevc")
    video_id = await studio.upload(make(tmp_path / "a.mkv", "-c:v", "ffv1", seconds=6, rate="10"))
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    assert isinstance(done, TranscodeCompleted)
    # What everybody can play comes first.
    assert [rendition.name for rendition in done.renditions] == list(NAMES)
    codecs = [rendition.codecs for rendition in done.renditions]
    patterns = (r"avc1\.6400\w\w", r"av01\.0\.\d\dM\.08", r"hvc1\.1\.6\.L\d+\.90")
    for codec, pattern in zip(codecs, patterns, strict=True):
        assert re.fullmatch(pattern + r",mp4a\.40\.2", codec)

    # One init segment for all chunks of each: else they could not be one object.
    compacted = await studio.wait_for(video_id, "MediaCompacted")
    assert isinstance(compacted, MediaCompacted)
    assert {each.track for each in compacted.objects} == {*NAMES, "audio-0"}
    folder = studio.download(video_id, tmp_path / "out") / "a1"
    for name in NAMES:
        assert decoded(folder / f"{name}.m3u8") == 60
        key = next(each.key for each in compacted.objects if each.track == name)
        fragments = fragment_reader.read_fragments((tmp_path / "out" / key).read_bytes())
        assert [(f.start, f.samples, f.keyframe) for f in fragments] == [
            (0, 40, True),
            (40_000, 20, True),
        ]
    manifest = (folder.parent / "manifest.mpd").read_text()
    assert manifest.count('contentType="video"') == 3

    async with screen(studio) as page:
        await page.evaluate("url => play(url)", f"/{done.playlist_key}")

        async def ended() -> bool:
            seen = await page.evaluate("report()")
            assert not seen["fatal"], seen
            return seen["ended"]

        await eventually(ended, 60, every=0.2)
