"""The end of a large source is found from its last seconds, wherever it is."""

from collections.abc import Callable
from pathlib import Path

import pytest

from services.transcoder.encoding import probe
from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.probe import probe_source
from shared.programs.finding import find_ffprobe
from tests.integration.transcoder.clips import make

X264 = ("-c:v", "libx264", "-g", "25")
FRAGMENTS = ("-movflags", "+frag_keyframe+empty_moov+frag_discont")
KINDS: dict[str, tuple[str, ...]] = {
    "a.mkv": X264,
    "a.flv": (*X264, "-c:a", "aac"),
    "a.ts": (*X264, "-c:a", "aac"),
    "a.mp4": (*X264, "-movflags", "+faststart"),
    "b.mp4": (*X264, *FRAGMENTS),
}


def whole(path: Path) -> Path:
    return path


def half(path: Path) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.6)])
    return path


@pytest.mark.parametrize("part", [whole, half])
@pytest.mark.parametrize("start", [0, 60])
@pytest.mark.parametrize("name", KINDS)
async def test_the_last_seconds_say_as_much_as_all(
    name: str,
    start: int,
    part: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = (*KINDS[name], "-output_ts_offset", str(start), "-preset", "ultrafast")
    path = part(make(tmp_path / name, *options, seconds=10, size="96x64"))
    source, size = Input(str(path), remote=False), path.stat().st_size

    read = await probe_source(find_ffprobe(None), source, size, tmp_path)
    monkeypatch.setattr(probe, "_SCAN_BYTES", 0)
    monkeypatch.setattr(probe, "_DENSE_BYTES", 0)
    seen = await probe_source(find_ffprobe(None), source, size, tmp_path)

    assert seen.facts.duration_ms == pytest.approx(read.facts.duration_ms, abs=60)
    assert seen.facts.notes == read.facts.notes
    assert read.facts.duration_ms == pytest.approx(10_000 if part is whole else 6_000, abs=700)
