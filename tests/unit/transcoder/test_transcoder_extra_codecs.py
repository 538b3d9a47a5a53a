"""Extra rendition sets, and the order in which they are made."""

import msgspec
import pytest

from services.transcoder.domain.state import early_renditions
from services.transcoder.planning.extra_codecs import extra_encoder_arguments, extra_renditions
from services.transcoder.planning.plan import h264_renditions, video_tasks
from tests.unit.transcoder.facts_about import plan

LADDER = plan().renditions
MORE = extra_renditions(LADDER, ("av1", "hevc", "av1"))
PLAN = msgspec.structs.replace(plan(), renditions=(*MORE, *LADDER))


def test_a_set_for_each_codec() -> None:
    assert [each.name for each in MORE] == ["360p-av1", "240p-av1", "360p-hevc", "240p-hevc"]
    assert extra_renditions(LADDER, ()) == ()


def test_what_everybody_can_play_goes_first() -> None:
    assert h264_renditions(PLAN) == early_renditions(PLAN) == LADDER
    tasks = video_tasks(PLAN)
    assert tasks[: len(video_tasks(plan()))] == video_tasks(plan())
    later = tasks[len(video_tasks(plan())) :]
    assert [(task.name, task.priority) for task in later] == [
        (f"chunk-{chunk.index:05d}-240p-{codec}", 3)
        for codec in ("av1", "hevc")
        for chunk in PLAN.chunks
    ]
    assert len({task.name for task in tasks}) == len(tasks)


def arguments(name: str) -> dict[str, str]:
    """The encoder's arguments for one rendition of the sets."""
    (rendition,) = (each for each in MORE if each.name == name)
    video = PLAN.source.video
    assert video is not None
    listed = extra_encoder_arguments(rendition, video, 100, "expr:0", 3)
    return dict(zip(listed[::2], listed[1::2], strict=True))


def test_a_better_codec_gets_a_lower_cap() -> None:
    caps = [int(arguments(each.name)["-maxrate"]) for each in MORE]
    assert caps == [520_000, 260_000, 560_000, 280_000]
    assert [int(arguments(each.name)["-bufsize"]) for each in MORE] == [
        cap * 3 // 2 for cap in caps
    ]


@pytest.mark.parametrize(
    ("name", "encoder", "tag"), [("360p-hevc", "libx265", "hvc1"), ("360p-av1", "libsvtav1", None)]
)
def test_each_codec_has_its_encoder(name: str, encoder: str, tag: str | None) -> None:
    given = arguments(name)
    assert given["-c:v"] == encoder
    assert given.get("-tag:v") == tag


def test_segments_begin_where_they_do_in_the_other_renditions() -> None:
    for each in MORE:
        given = arguments(each.name)
        assert (given["-g"], given["-force_key_frames"]) == ("100", "expr:0")
        # The frames' times are those that the filter before has given them.
        assert given["-fps_mode"] == "passthrough"
