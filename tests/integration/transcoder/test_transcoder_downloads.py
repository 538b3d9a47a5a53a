"""A complete video as an MP4 file: what players get as a stream, out of the same objects."""

import json
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from services.transcoder.coordinator.downloads import make_downloads
from services.transcoder.coordinator.missing_media import media_lost
from services.transcoder.handlers import state_of
from shared.blobs.s3 import S3Store, s3_client
from shared.contracts import DownloadFile, DownloadsMade
from shared.download_index import Part, parts, read_index
from shared.mp4.boxes import boxes
from shared.programs.finding import find_ffmpeg, find_ffprobe
from tests.integration.transcoder.clips import ffmpeg, make
from tests.integration.transcoder.stage import Processes, Studio
from tests.integration.transcoder.test_transcoder_recorded_live import live, record
from tests.support.recorded_lives import later, picture
from tests.support.recorded_lives import sound as live_sound

# Bytes of a packet of AAC of two channels, decoded.
_PACKET = 1024 * 2 * 2


def put_together(studio: Studio, video_id: str, file: DownloadFile, folder: Path) -> Path:
    """The file as the gateway sends it."""
    stored = studio.get(file.index.key)
    assert len(stored) == file.index.size
    index = read_index(stored[file.head :], video_id)
    assert index is not None
    begin = Part(file.index.key, 0, file.head - 1)
    found = b"".join(
        studio.get(part.key)[part.first : part.last + 1]
        for part in parts(begin, index, 0, file.size - 1)
    )
    assert len(found) == file.size
    target = folder / f"{file.rendition}.mp4"
    target.write_bytes(found)
    return target


def probe(path: Path) -> dict[str, Any]:
    command = [find_ffprobe(None), "-v", "warning", "-show_streams", "-show_format", "-of", "json"]
    found = subprocess.run(
        [*command, str(path)], check=True, capture_output=True, text=True, timeout=120
    )
    assert found.stderr == ""
    return json.loads(found.stdout)


def pictures(path: Path) -> list[str]:
    """A checksum of each picture that is shown."""
    found = _decoded(path, "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5")
    lines = [line for line in found.decode().splitlines() if line[:1] not in ("#", "")]
    return [line.rpartition(",")[2].strip() for line in lines]


def sound(path: Path) -> bytes:
    """Two bytes for each sample of each channel."""
    return _decoded(path, "-map", "0:a:0", "-f", "s16le", "-c:a", "pcm_s16le")


def _decoded(path: Path, *options: str) -> bytes:
    command = [find_ffmpeg(None), "-nostdin", "-v", "error", "-i", str(path), *options, "-"]
    found = subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert found.stderr == b""
    return found.stdout


def times(path: Path, kind: str) -> list[float]:
    """When each packet is shown, in seconds from the beginning."""
    command = [find_ffprobe(None), "-v", "error", "-select_streams", f"{kind}:0"]
    command += ["-show_entries", "packet=pts_time", "-of", "json", str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, timeout=120).stdout
    return sorted(float(packet["pts_time"]) for packet in json.loads(answer)["packets"])


def assert_the_same(file: Path, master: Path, playlist: str, kinds: str) -> None:
    """The file shows and plays what the stream does, at the same times."""
    folder = master.parent / "a1"
    if "v" in kinds:
        stream = folder / f"{playlist}.m3u8"
        assert pictures(file) == pictures(stream)
        assert times(file, "v") == pytest.approx(times(stream, "v"), abs=1e-4)
    if "a" in kinds:
        stream = folder / "audio-0.m3u8"
        heard, streamed = sound(file), sound(stream)
        # The last packet of AAC is filled up with what is no sound. A file says how much that is.
        assert streamed.startswith(heard)
        assert len(streamed) - len(heard) < _PACKET
        assert times(file, "a") == pytest.approx(times(stream, "a"), abs=1e-4)


async def files_of(studio: Studio, video_id: str) -> dict[str, DownloadFile]:
    made = await studio.wait_for(video_id, "DownloadsMade", "TranscodeFailed")
    assert isinstance(made, DownloadsMade)
    return {file.rendition: file for file in made.files}


async def test_an_upload_can_be_had_as_a_file(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    """Its own packets at the top, with pictures out of order; what is encoded below."""
    processes.planner()
    processes.worker()
    options = ("-c:v", "libx264", "-bf", "2", "-g", "50", "-preset", "fast", "-c:a", "aac")
    source = make(tmp_path / "a.mp4", *options, seconds=33, size="640x360", rate="25")
    video_id = await studio.upload(source)
    files = await files_of(studio, video_id)
    assert list(files) == ["360p", "240p"]
    master = studio.download(video_id, tmp_path / "hls") / "master.m3u8"
    for name, file in files.items():
        path = put_together(studio, video_id, file, tmp_path)
        found = probe(path)
        assert [stream["codec_name"] for stream in found["streams"]] == ["h264", "aac"]
        assert int(found["streams"][0]["nb_frames"]) == 33 * 25
        assert float(found["format"]["duration"]) == pytest.approx(33, abs=0.1)
        assert (file.width, file.height) == (
            found["streams"][0]["width"],
            found["streams"][0]["height"],
        )
        assert_the_same(path, master, name, "va")
        kinds = [box.kind for box in boxes(path.read_bytes())]
        assert kinds == ["ftyp", "moov", "mdat"]


@pytest.mark.parametrize("kinds", ["v", "a", "vaa"])
async def test_any_tracks_become_a_file(
    processes: Processes, studio: Studio, tmp_path: Path, kinds: str
) -> None:
    processes.planner()
    processes.worker()
    made: list[str] = []
    inputs = {"v": "testsrc2=size=426x240:rate=10:duration=6", "a": "sine=duration=6"}
    for kind in kinds:
        made += ["-f", "lavfi", "-i", inputs[kind]]
    for number in range(len(kinds)):
        made += ["-map", str(number)]
    named = ("-metadata:s:a:0", "language=deu", "-metadata:s:a:1", "language=fra")
    source = tmp_path / "a.mkv"
    ffmpeg(*made, *named[: 2 * kinds.count("a")], "-c:v", "mpeg4", "-c:a", "flac", str(source))
    video_id = await studio.upload(source)
    files = await files_of(studio, video_id)
    name, file = next(iter(files.items()))
    path = put_together(studio, video_id, file, tmp_path)
    streams = probe(path)["streams"]
    assert [stream["codec_name"] for stream in streams] == [
        "h264" if kind == "v" else "aac" for kind in (kinds if "v" in kinds else "v" + kinds)
    ]
    sounds = [stream for stream in streams if stream["codec_type"] == "audio"]
    assert [stream["tags"]["language"] for stream in sounds] == ["deu", "fra"][: len(sounds)]
    assert [stream["disposition"]["default"] for stream in sounds] == [1, 0][: len(sounds)]
    master = studio.download(video_id, tmp_path / "hls") / "master.m3u8"
    assert_the_same(path, master, name, kinds[:2])


async def test_a_live_whose_publisher_came_back_is_a_file_without_a_hole(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker()
    shown, heard = picture(tmp_path, "top", "426x240"), live_sound(tmp_path)
    made = live(studio)
    made.add(top=later(shown, 1), a=later(heard, 1))
    made.add(jump=True, top=later(shown, 60), a=later(heard, 60))
    video_id = await record(studio, made)
    files = await files_of(studio, video_id)
    name, file = next(iter(files.items()))
    path = put_together(studio, video_id, file, tmp_path)
    master = studio.download(video_id, tmp_path / "hls") / "master.m3u8"
    assert_the_same(path, master, name, "va")
    assert float(probe(path)["format"]["duration"]) == pytest.approx(4, abs=0.2)
    steps = [after - before for before, after in pairwise(times(path, "v"))]
    assert max(steps) < 0.1


async def test_a_lost_index_is_made_again(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    """And what is there already is not made once more."""
    processes.planner()
    processes.worker()
    video_id = await studio.upload(make(tmp_path / "a.mp4", seconds=5))
    files = await files_of(studio, video_id)
    s3 = studio.s3
    async with s3_client(s3.endpoint, s3.region, s3.access_key, s3.secret_key) as client:
        media = S3Store(client, s3.media)
        state = await state_of(studio.store, video_id)
        for file in files.values():
            await media.delete(file.index.key)
        again = await make_downloads(media, video_id, state)
        assert again is not None
        assert again.files == tuple(files.values())
        for file in files.values():
            put_together(studio, video_id, file, tmp_path)
        written = {
            file.index.key: studio.head(file.index.key)["LastModified"] for file in again.files
        }
        await make_downloads(media, video_id, state)
        for key, at in written.items():
            assert studio.head(key)["LastModified"] == at
    lost = media_lost(video_id, state, set(written))
    assert lost is not None
    assert (set(lost.keys), lost.tasks) == (set(written), ())
