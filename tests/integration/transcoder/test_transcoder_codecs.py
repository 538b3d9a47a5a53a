"""The ladder once more in HEVC and AV1, beside H.264."""

import re
from pathlib import Path

from shared.contracts import MediaCompacted, TranscodeCompleted, TranscodePlanned
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


def in_bt2020(curve: str) -> str:
    """The filters that give a picture 10 bits and the colours of HDR, with a transfer curve."""
    colours = "range=limited:color_primaries=bt2020:colorspace=bt2020nc"
    return f"format=yuv420p10le,setparams={colours}:color_trc={curve}"


def hlg(target: Path, seconds: int) -> Path:
    return make(
        target, "-vf", in_bt2020("arib-std-b67"), "-c:v", "ffv1", seconds=seconds, rate="10"
    )


def pq(target: Path, seconds: int) -> Path:
    """As cameras and televisions have it: HEVC."""
    codec = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error")
    return make(target, "-vf", in_bt2020("smpte2084"), *codec, seconds=seconds, rate="10")


async def test_an_hdr_set_beside_sdr(processes: Processes, studio: Studio, tmp_path: Path) -> None:
    processes.planner()
    processes.worker(HDR_CODECS="hevc")
    source = hlg(tmp_path / "a.mkv", seconds=6)
    video_id = await studio.upload(source)
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    assert isinstance(done, TranscodeCompleted)
    assert [(each.name, each.video_range) for each in done.renditions] == [
        ("240p", "SDR"),
        ("240p-hevc-hdr", "HLG"),
    ]
    assert re.fullmatch(r"hvc1\.2\.4\.L\d+\.\w+,mp4a\.40\.2", done.renditions[1].codecs)

    compacted = await studio.wait_for(video_id, "MediaCompacted")
    assert isinstance(compacted, MediaCompacted)
    assert {each.track for each in compacted.objects} == {"240p", "240p-hevc-hdr", "audio-0"}
    folder = studio.download(video_id, tmp_path / "out")
    assert decoded(folder / "a1" / "240p-hevc-hdr.m3u8") == 60
    assert (folder / "master.m3u8").read_text().count("VIDEO-RANGE=HLG") == 2
    assert "urn:mpeg:mpegB:cicp:TransferCharacteristics" in (folder / "manifest.mpd").read_text()

    # A player whose screen and decoders are those of SDR plays on.
    async with screen(studio) as page:
        await page.evaluate("url => play(url)", f"/{done.playlist_key}")

        async def ended() -> bool:
            seen = await page.evaluate("report()")
            assert not seen["fatal"], seen
            return seen["ended"]

        await eventually(ended, 60, every=0.2)


async def ranges(studio: Studio, video_id: str, folder: Path) -> tuple[list[str], list[str]]:
    """The ranges in the multivariant playlist of a completed video, and the codes of its notes."""
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    assert isinstance(done, TranscodeCompleted), done
    (planned,) = [e.data for e in await studio.story(video_id) if e.type == "TranscodePlanned"]
    assert isinstance(planned, TranscodePlanned)
    master = (studio.download(video_id, folder) / "master.m3u8").read_text()
    streams = re.findall(r"#EXT-X-STREAM-INF:.*", master)
    found = [re.search(r"VIDEO-RANGE=(\w+)", line) for line in streams]
    return [each[1] if each else "SDR" for each in found], [n.code for n in planned.source.notes]


async def test_hdr_is_kept_for_the_uploads_that_ask(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker()
    bright = hlg(tmp_path / "hlg.mkv", seconds=2)
    dark = make(tmp_path / "sdr.mkv", "-c:v", "ffv1", seconds=2, rate="10")
    asks = await studio.upload(bright, hdr="keep")
    silent = await studio.upload(bright)
    plain = await studio.upload(dark, hdr="keep")
    other = await studio.upload(pq(tmp_path / "pq.mp4", seconds=2), hdr="keep")
    assert await ranges(studio, asks, tmp_path / "asks") == (["SDR", "HLG"], [])
    assert await ranges(studio, other, tmp_path / "other") == (["SDR", "PQ"], [])
    kept = studio.download(other, tmp_path / "kept") / "a1" / "240p-hevc-hdr.m3u8"
    assert decoded(kept) == 20
    assert await ranges(studio, silent, tmp_path / "silent") == (["SDR"], [])
    assert await ranges(studio, plain, tmp_path / "plain") == (["SDR"], [])


async def test_an_installation_may_refuse_hdr_and_says_so(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker(HDR_ON_REQUEST="never")
    asks = await studio.upload(hlg(tmp_path / "hlg.mkv", seconds=2), hdr="keep")
    assert await ranges(studio, asks, tmp_path / "asks") == (["SDR"], ["hdr_left_out"])
