"""Extra rendition sets, and the order in which they are made."""

import msgspec

from services.transcoder.domain import early_renditions
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


def test_a_better_codec_gets_a_lower_cap() -> None:
    caps = [
        int(arguments[arguments.index("-maxrate") + 1])
        for arguments in (extra_encoder_arguments(each, 100, "expr:0", 1) for each in MORE)
    ]
    assert caps == [520_000, 260_000, 560_000, 280_000]
