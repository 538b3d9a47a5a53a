"""Every container that is accepted at upload is planned, and no other is opened."""

from pathlib import Path

import pytest

from services.transcoder.encoding.ffmpeg import FORMATS
from services.transcoder.planning.media_errors import MediaRejected
from tests.integration.transcoder.clips import ffmpeg
from tests.security.media.hostile_media import PlanStage
from tests.support.made_containers import ONLY_SOUND, WITH_PICTURE, make_container

# Demuxers that open what a file names, or devices.
NAMING_OTHERS = {
    *("hls", "dash", "concat", "concatf", "image2", "image2pipe", "imf", "lavfi", "sdp", "rtsp"),
    *("rtp", "sap", "tty", "webm_dash_manifest", "ffmetadata", "vapoursynth", "avisynth", "vobsub"),
    *("mpl2", "data", "dvdvideo", "tedcaptions", "rpl"),
}


def test_no_demuxer_opens_what_a_file_names() -> None:
    assert not NAMING_OTHERS & set(FORMATS.split(","))


@pytest.mark.parametrize("name", WITH_PICTURE)
async def test_a_moving_picture_is_planned_whole(tmp_path: Path, name: str) -> None:
    source = make_container(tmp_path, name, seconds=1)
    facts = (await PlanStage(tmp_path).plan(source)).source
    assert facts.video is not None
    # Fields are pictures of their own.
    assert facts.video.frame_rate in ("25/1", "50/1")
    # Some containers round times, and some codecs of sound fill their last frame.
    assert facts.duration_ms == pytest.approx(1000, abs=60)
    assert facts.notes == ()


@pytest.mark.parametrize("name", ONLY_SOUND)
async def test_sound_is_planned_whole(tmp_path: Path, name: str) -> None:
    source = make_container(tmp_path, name, seconds=1)
    facts = (await PlanStage(tmp_path).plan(source)).source
    assert len(facts.audio) == 1
    assert facts.duration_ms == pytest.approx(1000, abs=60)


@pytest.mark.parametrize("name", ["still.png", "still.jpg", "still.webp", "still.bmp"])
async def test_a_single_picture_is_not_opened(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    ffmpeg("-f", "lavfi", "-i", "testsrc2=size=160x120", "-frames:v", "1", str(target))
    with pytest.raises(MediaRejected) as caught:
        await PlanStage(tmp_path).plan(target)
    assert caught.value.code == "media.unreadable"
