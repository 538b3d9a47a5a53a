"""Text tracks of real files: what becomes captions, and what is left out."""

from pathlib import Path

from shared.contracts import CaptionsExtracted, TranscodePlanned
from tests.integration.transcoder.clips import ffmpeg, make
from tests.integration.transcoder.stage import Processes, Studio

SRT = "1\n00:00:00,500 --> 00:00:01,000\n<script>x</script><i>Hello</i>\n"
HEBREW = "1\n00:00:00,000 --> 00:00:01,500\n\u05e9\u05dc\u05d5\u05dd\n"
ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:01.50,Default,,0,0,0,,{\\i1}Guten{\\i0}\\NTag
"""


def source(tmp_path: Path, name: str, codec: str, *options: str, start: float = 0.0) -> Path:
    """A clip with text in English, Hebrew and German, whose times begin at ``start`` seconds."""
    film = make(tmp_path / f"film-{name}.mkv", "-c:v", "libx264", "-c:a", "aac")
    if name.endswith("webm"):
        film = make(tmp_path / f"film-{name}", "-c:v", "libvpx", "-c:a", "libopus")
    texts = {"en.srt": SRT, "he.srt": HEBREW, "de.ass": ASS}
    for file, text in texts.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    target = tmp_path / name
    inputs = [part for file in texts for part in ("-i", str(tmp_path / file))]
    maps = [part for number in range(4) for part in ("-map", str(number))]
    said = [
        *("-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=heb"),
        *("-metadata:s:s:2", "language=ger", "-disposition:s:2", "hearing_impaired"),
    ]
    ffmpeg(
        *("-i", str(film), *inputs, *maps, "-c:v", "copy", "-c:a", "copy", "-c:s", codec),
        *(*said, "-output_ts_offset", str(start), *options, str(target)),
    )
    return target


async def extracted(processes: Processes, studio: Studio, file: Path) -> CaptionsExtracted:
    processes.planner()
    processes.worker()
    video_id = await studio.upload(file)
    await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    found = await studio.wait_for(video_id, "CaptionsExtracted", "TranscodeFailed")
    assert isinstance(found, CaptionsExtracted)
    planned = await studio.wait_for(video_id, "TranscodePlanned")
    assert isinstance(planned, TranscodePlanned)
    assert [track.language for track in planned.source.texts] == ["en", "he", "de"]
    return found


async def check(processes: Processes, studio: Studio, file: Path) -> None:
    found = await extracted(processes, studio, file)
    assert found.notes == ()
    english, hebrew, german = found.tracks
    assert {track.origin for track in found.tracks} == {"file"}
    assert (english.language, hebrew.language, german.language) == ("en", "he", "de")
    text = studio.get(english.object.key).decode()
    assert text.startswith("WEBVTT\nX-TIMESTAMP-MAP=")
    assert "00:00:00.500 --> 00:00:01.000\n" in text
    assert "script>" not in text
    assert "<i>Hello</i>" in text
    assert "\u05e9\u05dc\u05d5\u05dd" in studio.get(hebrew.object.key).decode()
    assert "00:00:01.000 --> 00:00:01.500\n" in studio.get(german.object.key).decode()


async def test_text_tracks_of_matroska_whose_times_begin_late(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    await check(processes, studio, source(tmp_path, "a.mkv", "copy", start=7.0))


async def test_text_tracks_of_mp4(processes: Processes, studio: Studio, tmp_path: Path) -> None:
    await check(processes, studio, source(tmp_path, "a.mp4", "mov_text"))


async def test_text_tracks_of_webm(processes: Processes, studio: Studio, tmp_path: Path) -> None:
    await check(processes, studio, source(tmp_path, "a.webm", "webvtt"))


async def test_a_track_without_text_is_left_out_and_the_video_is_whole(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker()
    film = make(tmp_path / "film.mkv", "-c:v", "libx264", "-c:a", "aac")
    # Longer than its limit.
    lines = (
        f"{n}\n00:00:{n % 2:02},{n % 900:03} --> 00:00:03,000\n{'x' * 1500}\n" for n in range(600)
    )
    (tmp_path / "long.srt").write_text("\n".join(lines))
    (tmp_path / "blank.srt").write_text("1\n00:00:00,500 --> 00:00:01,000\n{\\an8}\n")
    target = tmp_path / "both.mkv"
    ffmpeg(
        *("-i", str(film), "-i", str(tmp_path / "long.srt"), "-i", str(tmp_path / "blank.srt")),
        *("-map", "0", "-map", "1", "-map", "2", "-c", "copy"),
        *("-metadata:s:s:0", "language=en", "-metadata:s:s:1", "language=fr", str(target)),
    )
    video_id = await studio.upload(target)
    await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    found = await studio.wait_for(video_id, "CaptionsExtracted", "TranscodeFailed")
    assert isinstance(found, CaptionsExtracted)
    assert found.tracks == ()
    assert [note.text for note in found.notes] == [
        "A text track (SubRip, language en) was left out, because its text is larger than 512 KiB.",
        "A text track (SubRip, language fr) was left out, because it has no text in it.",
    ]
