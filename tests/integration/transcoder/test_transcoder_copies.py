"""Containers without a table of their frames are copied once, then split like any other."""

from fractions import Fraction
from pathlib import Path

from shared.contracts import TranscodeCompleted, TranscodePlanned
from tests.integration.transcoder.clips import look, make
from tests.integration.transcoder.stage import Processes, Studio

SECONDS = 5
SMALL = "160x120"


def film(target: Path, *options: str, size: str = SMALL) -> Path:
    return make(target, *options, seconds=SECONDS, size=size)


async def test_what_has_no_index_is_copied_and_split(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker()
    old = ("-c:v", "mpeg4", "-c:a", "libmp3lame")
    fragments = ("-movflags", "frag_keyframe+empty_moov", "-g", "25")
    # Its key frames are fit, so the copy is shown as it is.
    fit = ("-c:v", "libx264", "-c:a", "aac", "-g", "50", "-bf", "2", "-crf", "35")
    cases: dict[str, tuple[Path, bool, bool]] = {
        "fit transport stream": (film(tmp_path / "fit.ts", *fit, size="640x360"), True, True),
        "avi": (film(tmp_path / "a.avi", *old), True, False),
        "flv": (film(tmp_path / "a.flv", "-ar", "44100", "-c:v", "libx264"), True, False),
        "fragments": (film(tmp_path / "f.mp4", *fragments), True, False),
        "wmv": (film(tmp_path / "a.wmv", "-c:v", "wmv2", "-c:a", "wmav2"), False, False),
    }
    ids = {name: await studio.upload(case[0]) for name, case in cases.items()}
    for name, (_, copied, shown) in cases.items():
        done = await studio.wait_for(ids[name], "TranscodeCompleted", "TranscodeFailed")
        assert isinstance(done, TranscodeCompleted), (name, done)
        planned = await studio.wait_for(ids[name], "TranscodePlanned")
        assert isinstance(planned, TranscodePlanned)
        assert (planned.remuxed_key is not None) == copied, name
        assert len(planned.chunks) == (2 if copied else 1), name
        assert planned.renditions[0].passthrough == shown, name
        assert abs(planned.source.duration_ms - 1000 * SECONDS) <= 120, name
        folder = studio.download(ids[name], tmp_path / "out") / "a1"
        for rendition in planned.renditions:
            seen = look(folder / f"{rendition.name}.m3u8")
            assert seen["complaints"] == "", name
            frames = int(seen["streams"][0]["nb_read_frames"])
            assert abs(frames - SECONDS * Fraction(rendition.frame_rate)) <= 3, name
