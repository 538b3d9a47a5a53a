"""From an upload to a video that plays."""

import asyncio
import io
import re
from fractions import Fraction
from pathlib import Path

from PIL import Image, ImageStat

from services.transcoder.handlers import state_of
from shared import moved_media
from shared.contracts import (
    ThumbnailsCreated,
    TranscodeCompleted,
    TranscodePlanned,
    TranscodeProgressed,
)
from tests.integration.transcoder.clips import ffmpeg, frames_by_dash, look, make
from tests.integration.transcoder.screen import serving
from tests.integration.transcoder.stage import CLIPS, Processes, Studio
from tests.support.wait import eventually


async def test_real_footage_becomes_playable_and_complete(
    processes: Processes, studio: Studio, tmp_path: Path
) -> None:
    processes.planner()
    processes.worker()
    video_id = await studio.upload(CLIPS / "bigbuckbunny.mp4")
    done = await studio.wait_for(video_id, "TranscodeCompleted", "TranscodeFailed")
    assert isinstance(done, TranscodeCompleted)

    names = [rendition.name for rendition in done.renditions]
    assert names == ["720p", "480p", "360p", "240p"]
    for rendition in done.renditions:
        playlist = studio.download(video_id, tmp_path) / "a1" / f"{rendition.name}.m3u8"
        seen = look(playlist)
        assert seen["complaints"] == ""
        (stream,) = seen["streams"]
        # The source is fit to be shown as it is, whatever profile its camera chose.
        profile = ("Main", "4D40") if rendition.name == "720p" else ("High", "6400")
        assert (stream["codec_name"], stream["profile"]) == ("h264", profile[0])
        assert (stream["width"], stream["height"]) == (rendition.width, rendition.height)
        assert stream["sample_aspect_ratio"] == "1:1"
        assert stream["nb_read_frames"] == "132"
        assert abs(float(seen["format"]["duration"]) - 5.28) <= 0.04
        assert rendition.codecs == f"avc1.{profile[1]}{stream['level']:02X},mp4a.40.2"
        assert rendition.bandwidth >= rendition.average_bandwidth > 0
    sound = look(tmp_path / video_id / "a1" / "audio-0.m3u8")
    assert sound["complaints"] == ""
    assert sound["streams"][0]["codec_name"] == "aac"

    master = studio.get(done.playlist_key).decode()
    assert master.count("#EXT-X-STREAM-INF") == 4
    assert re.search(r"RESOLUTION=1280x720,FRAME-RATE=25.000", master)
    assert look(tmp_path / video_id / "master.m3u8", count=False)["complaints"] == ""

    assert done.dash_key == f"{video_id}/manifest.mpd"
    with serving(studio) as url:
        frames = await asyncio.to_thread(frames_by_dash, f"{url}{done.dash_key}")
        assert frames == [132, 132, 132, 132]

    await check_story(studio, video_id)
    await check_objects(studio, video_id)


async def check_story(studio: Studio, video_id: str) -> None:
    story = await studio.story(video_id)
    # On a slow machine the video may be compacted by now.
    later = ("MediaCompacted", "DownloadsMade")
    types = [recorded.type for recorded in story if recorded.type not in later]
    assert types[0] == "TranscodePlanned"
    assert types[-1] == "TranscodeCompleted"
    assert types.count("VideoPlayable") == types.count("TranscodeCompleted") == 1
    assert types.index("VideoPlayable") < len(types) - 2
    percents = [r.data.percent for r in story if isinstance(r.data, TranscodeProgressed)]
    assert percents == sorted(percents)
    assert all(0 < percent < 100 for percent in percents)
    images = next(r.data for r in story if isinstance(r.data, ThumbnailsCreated))
    poster = Image.open(io.BytesIO(studio.get(images.poster_key)))
    assert poster.format == "WEBP"
    assert poster.size == (1280, 720)
    assert ImageStat.Stat(poster.convert("L")).stddev[0] > 10
    storyboard = f"{video_id}/a1/storyboard.vtt"
    assert images.storyboard_key == storyboard
    words = studio.get(storyboard).decode()
    found = re.findall(r"(storyboard/\d+\.webp)#xywh=(\d+),(\d+),(\d+),(\d+)", words)
    # The source has one key frame, and so one segment.
    assert len(found) == 1
    for name, *box in found:
        left, top, width, height = map(int, box)
        sprite = Image.open(io.BytesIO(studio.get(f"{video_id}/a1/{name}")))
        assert sprite.size[0] >= left + width
        assert sprite.size[1] >= top + height
        tile = sprite.convert("L").crop((left, top, left + width, top + height))
        assert ImageStat.Stat(tile).stddev[0] > 5


async def check_objects(studio: Studio, video_id: str) -> None:
    """Right headers, and nothing that the playlists do not name."""

    def named() -> set[str]:
        lists = " ".join(studio.playlists(video_id).values())
        return set(re.findall(r"[\w-]+/[\w.-]+\.mp4", lists))

    async def only_named_objects() -> bool:
        # On a slow machine the video may be compacted by now. Then only early playlists name the
        # replaced objects, and only if there are early playlists.
        replaced = (await state_of(studio.store, video_id)).replaced
        keys = {key for key in studio.keys(video_id) if key.endswith("mp4")}
        short = {key.split("/a1/")[1] for key in keys - replaced}
        return short <= named() <= {key.split("/a1/")[1] for key in keys}

    await eventually(only_named_objects, 20)
    for key in studio.keys(video_id):
        head = studio.head(key)
        expected = {
            "m3u8": ("application/vnd.apple.mpegurl", "public, max-age=60"),
            "mpd": ("application/dash+xml", "public, max-age=60"),
            "vtt": ("text/vtt", "public, max-age=31536000, immutable"),
            "webp": ("image/webp", "public, max-age=31536000, immutable"),
            "bin": ("application/octet-stream", "public, max-age=31536000, immutable"),
            # What compaction has moved, where the video is compacted by now.
            "json": (moved_media.CONTENT_TYPE, "public, max-age=31536000, immutable"),
            "mp4": (
                "audio/mp4" if "/audio-" in key else "video/mp4",
                "public, max-age=31536000, immutable",
            ),
        }[key.rpartition(".")[2]]
        assert (head["ContentType"], head["CacheControl"]) == expected


async def test_all_kinds_of_sources(processes: Processes, studio: Studio, tmp_path: Path) -> None:
    processes.planner()
    processes.worker()
    plain = make(tmp_path / "plain.mp4")
    cases: dict[str, tuple[Path, tuple[int, int], int]] = {
        "portrait": (make(tmp_path / "p.mp4", size="240x426"), (240, 426), 1),
        "odd": (
            make(tmp_path / "odd.mkv", "-pix_fmt", "yuv444p", size="331x255"),
            (330, 254),
            1,
        ),
        "wide pixels": (make(tmp_path / "s.mp4", "-vf", "setsar=2"), (640, 240), 1),
        "silent": (make(tmp_path / "n.mp4", "-an"), (320, 240), 0),
        "sound": (make(tmp_path / "a.m4a", "-vn"), (1280, 720), 1),
        "two sounds": (
            make(tmp_path / "two.mkv", "-map", "0:v", "-map", "1:a", "-map", "1:a"),
            (320, 240),
            2,
        ),
        "interlaced": (
            make(tmp_path / "i.mkv", "-vf", "setfield=tff", "-flags", "+ildct+ilme"),
            (320, 240),
            1,
        ),
        "ten bits": (
            make(
                tmp_path / "hdr.mkv",
                *("-c:v", "libx265", "-x265-params", "log-level=error"),
                *("-pix_fmt", "yuv420p10le", "-color_trc", "smpte2084"),
                *("-color_primaries", "bt2020", "-colorspace", "bt2020nc"),
            ),
            (320, 240),
            1,
        ),
        "transport stream": (make(tmp_path / "t.ts"), (320, 240), 1),
        "no length": (tmp_path / "live.webm", (320, 240), 1),
        "rotated": (tmp_path / "rotated.mp4", (240, 320), 1),
    }
    options = ("-i", str(plain), "-c", "copy")
    ffmpeg("-display_rotation", "90", *options, str(tmp_path / "rotated.mp4"))
    vpx = ["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"]
    ffmpeg("-i", str(plain), *vpx, "-f", "webm", "-live", "1", str(tmp_path / "live.webm"))
    ids = {name: await studio.upload(case[0]) for name, case in cases.items()}
    for name, (_, size, sounds) in cases.items():
        done = await studio.wait_for(ids[name], "TranscodeCompleted", "TranscodeFailed")
        assert isinstance(done, TranscodeCompleted), (name, done)
        planned = await studio.wait_for(ids[name], "TranscodePlanned")
        assert isinstance(planned, TranscodePlanned)
        folder = studio.download(ids[name], tmp_path / "out") / "a1"
        assert len(list(folder.glob("audio-*[0-9].m3u8"))) == sounds, name
        assert (done.width, done.height) == size, name
        for playlist in folder.glob("*[0-9]p.m3u8"):
            seen = look(playlist)
            assert seen["complaints"] == "", name
            rate = Fraction(planned.renditions[0].frame_rate)
            frames = int(seen["streams"][0]["nb_read_frames"])
            assert abs(frames - planned.source.duration_ms * rate / 1000) <= 1, name
            assert abs(frames - 2 * rate) <= 2, name
            assert seen["streams"][0]["pix_fmt"] == "yuv420p"
