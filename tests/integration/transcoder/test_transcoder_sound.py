"""Picture and sound stay together: a flash and a tone at the same time, near both ends."""

import array
import json
import subprocess
from pathlib import Path

from shared.contracts import TranscodeCompleted, TranscodePlanned
from shared.programs.finding import find_ffmpeg, find_ffprobe
from tests.integration.transcoder.clips import ffmpeg
from tests.integration.transcoder.stage import Processes, Studio

SECONDS = 7
FLASHES = (1, 6)
RATE = 25
LIMIT = 0.020


def flashing(target: Path, *options: str, sound: str = "", size: str = "96x54") -> Path:
    """White for three frames, and a tone for a tenth of a second, at each of FLASHES."""
    white = "+".join(f"between(N\\,{at * RATE}\\,{at * RATE + 2})" for at in FLASHES)
    loud = "+".join(f"between(t,{at},{at + 0.1})" for at in FLASHES)
    picture = (
        f"color=size=32x18:rate={RATE}:duration={SECONDS},geq=lum=16+219*({white}):cb=128:cr=128"
    )
    tone = f"aevalsrc=exprs='0.8*sin(2*PI*1000*t)*({loud})':s=48000:d={SECONDS}{sound}"
    ffmpeg(
        *("-f", "lavfi", "-i", f"{picture},scale={size.replace('x', ':')}"),
        *("-f", "lavfi", "-i", tone, "-preset", "ultrafast", "-g", "50", *options, str(target)),
    )
    return target


def flashes(playlist: Path) -> list[float]:
    """When the picture turns white, in seconds."""
    gray = ("-vf", "scale=1:1,format=gray", "-fps_mode", "passthrough", "-f", "rawvideo")
    decoded = _decode(playlist, "-map", "0:v", *gray)
    times = [
        float(frame["pts_time"]) for frame in _probe(playlist, "v", "frame=pts_time", "frames")
    ]
    assert len(decoded) == len(times)
    return [
        time
        for n, time in enumerate(times)
        if decoded[n] > 128 and (n == 0 or decoded[n - 1] <= 128)
    ]


def tones(playlist: Path) -> list[float]:
    """When the sound begins, in seconds."""
    (first, *_) = _probe(playlist, "a", "packet=pts_time", "packets")
    raw = _decode(playlist, "-map", "0:a", "-ac", "1", "-f", "f32le", "-ar", "48000")
    samples = array.array("f", raw)
    found: list[float] = []
    quiet = 48_000
    for n, sample in enumerate(samples):
        if abs(sample) > 0.2:
            if quiet > 12_000:
                found.append(float(first["pts_time"]) + n / 48_000)
            quiet = 0
        else:
            quiet += 1
    return found


def _decode(path: Path, *options: str) -> bytes:
    command = [find_ffmpeg(None), "-v", "error", "-i", str(path), *options, "-"]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout


def _probe(path: Path, kind: str, entries: str, name: str) -> list[dict[str, str]]:
    command = [find_ffprobe(None), "-v", "error", "-select_streams", kind]
    command += ["-show_entries", entries, "-of", "json", str(path)]
    answer = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return json.loads(answer)[name]


async def test_picture_and_sound_stay_together(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker()
    plain = flashing(tmp_path / "plain.mp4")
    later = tmp_path / "later.mp4"
    ffmpeg(
        *("-i", str(plain), "-itsoffset", "0.3", "-i", str(plain)),
        *("-map", "0:v", "-map", "1:a", "-c", "copy", str(later)),
    )
    earlier = tmp_path / "earlier.mp4"
    ffmpeg(
        *("-i", str(plain), "-itsoffset", "0.24", "-i", str(plain)),
        *("-map", "1:v", "-map", "0:a", "-c", "copy", str(earlier)),
    )
    fit = flashing(tmp_path / "fit.mp4", size="640x360")
    fit_earlier = tmp_path / "fit-earlier.mp4"
    ffmpeg(
        *("-i", str(fit), "-itsoffset", "0.24", "-i", str(fit)),
        *("-map", "1:v", "-map", "0:a", "-c", "copy", str(fit_earlier)),
    )
    # By how much the sound comes later than the picture in the source.
    cases: dict[str, tuple[Path, float]] = {
        "aac": (plain, 0.0),
        "sound starts later": (later, 0.3),
        "picture starts later": (earlier, -0.24),
        "sound ends early": (flashing(tmp_path / "short.mp4", sound=",atrim=end=6.3"), 0.0),
        "sound ends late": (flashing(tmp_path / "long.mp4", sound=",apad=pad_dur=2"), 0.0),
        "opus": (flashing(tmp_path / "a.mkv", "-c:a", "libopus"), 0.0),
        "44.1 kHz": (flashing(tmp_path / "b.mov", "-ar", "44100"), 0.0),
        "transport stream": (flashing(tmp_path / "a.ts", "-bf", "2"), 0.0),
        "shown as it is": (fit, 0.0),
        "shown as it is, late": (fit_earlier, -0.24),
    }
    ids = {name: await studio.upload(case[0]) for name, case in cases.items()}
    for name, (_, offset) in cases.items():
        done = await studio.wait_for(ids[name], "TranscodeCompleted", "TranscodeFailed")
        assert isinstance(done, TranscodeCompleted), (name, done)
        planned = await studio.wait_for(ids[name], "TranscodePlanned")
        assert isinstance(planned, TranscodePlanned)
        assert planned.renditions[0].passthrough == name.startswith("shown"), name
        folder = studio.download(ids[name], tmp_path / "out") / "a1"
        heard = tones(folder / "audio-0.m3u8")
        assert len(heard) == len(FLASHES), name
        for rendition in planned.renditions:
            seen = flashes(folder / f"{rendition.name}.m3u8")
            assert len(seen) == len(FLASHES), (name, rendition.name)
            for flash, tone in zip(seen, heard, strict=True):
                assert abs(tone - flash - offset) < LIMIT, (name, rendition.name, flash, tone)
