"""The plain way: when an attempt follows by itself, and what it decodes a source into."""

import itertools
from array import array
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from services.transcoder.domain.decisions import Cancel, RecordEvent, Retry, decide
from services.transcoder.domain.evolution import evolve
from services.transcoder.domain.state import SYSTEM, Transcode
from services.transcoder.encoding.ffmpeg import Input
from services.transcoder.encoding.ffmpeg_plain import WholeRun, decode_whole
from services.transcoder.encoding.probe import with_extent
from services.transcoder.mp4.sample_index import Edits, SampleTrack
from services.transcoder.planning.joins import MAX_RECORDINGS, Join
from services.transcoder.planning.media_errors import CHANGES, JUMPS, MediaRejected
from services.transcoder.planning.plain import Frame, copy_budget, frame_for, own_shapes, plain_rate
from services.transcoder.planning.probe_report import Extent, ProbedSource
from services.transcoder.projections import open_tasks
from services.transcoder.scheduler.tasks import URGENT_PRIORITY
from shared.contracts import (
    AudioTrack,
    Event,
    MediaLost,
    MediaRepairFailed,
    SourceFacts,
    TranscodeCancelled,
    TranscodeFailed,
    TranscodeProgressed,
    TranscodeRetried,
    VideoTrack,
)
from tests.unit.transcoder.facts_about import COMPLETED, IMAGES, after, audio_encoded, plan
from tests.unit.transcoder.facts_about import chunk_encoded as chunk

PLAN = plan(4.0)
OF_MEDIA = ["media.damaged", "media.not_fit", "encoder.timing", "remux.damaged", "result.short"]
FINAL = ["media.empty", "media.gap", "media.too_long", "source.missing", "worker.died", "internal"]
VIDEO = VideoTrack(codec="h264", width=640, height=360, pixel_format="yuv420p")


def failed(code: str, attempt: int = 1) -> TranscodeFailed:
    return TranscodeFailed(video_id="v", attempt=attempt, code=code, reason="r")


def follows(state: Transcode, event: Event) -> Event:
    (found,) = decide(state, RecordEvent(event))
    return found


@pytest.mark.parametrize("code", OF_MEDIA)
def test_what_fails_in_parts_is_decoded_as_a_whole_once(code: str) -> None:
    state = after(PLAN)
    retried = follows(state, failed(code))
    assert retried == TranscodeRetried(
        video_id="v", attempt=2, requested_by=SYSTEM, plain=True, code=code
    )
    state = evolve(state, retried)
    assert (state.attempt, state.phase, state.plain, state.counted) == (2, "pending", True, True)
    assert not decide(state, RecordEvent(failed(code)))
    assert follows(state, failed(code, attempt=2)) == failed(code, attempt=2)
    planned = msgspec.structs.replace(PLAN, attempt=2, plain=True)
    assert isinstance(follows(evolve(state, planned), failed(code, attempt=2)), TranscodeFailed)


@pytest.mark.parametrize("code", FINAL)
def test_other_reasons_are_final(code: str) -> None:
    assert follows(after(PLAN), failed(code)) == failed(code)


@pytest.mark.parametrize("code", OF_MEDIA)
def test_what_cannot_be_planned_cannot_be_decoded(code: str) -> None:
    assert follows(Transcode(), failed(code)) == failed(code)


@pytest.mark.parametrize("code", [CHANGES, JUMPS])
def test_a_plan_may_ask_for_the_plain_way(code: str) -> None:
    retried = follows(Transcode(), failed(code))
    assert isinstance(retried, TranscodeRetried)
    assert retried.plain
    assert not evolve(Transcode(), retried).counted


def test_a_repair_is_never_made_the_plain_way() -> None:
    everything = [chunk(PLAN, 0, "360p", "240p"), audio_encoded(0, 1, complete=True), IMAGES]
    state = after(PLAN, *everything, COMPLETED)
    lost = MediaLost(video_id="v", attempt=1, keys=("k",), tasks=("images",))
    assert isinstance(follows(evolve(state, lost), failed("media.damaged")), MediaRepairFailed)


def test_a_person_tries_the_plain_way_again() -> None:
    plain = TranscodeRetried(video_id="v", attempt=2, requested_by=SYSTEM, plain=True, code="c")
    for end in (failed("c", 2), TranscodeCancelled(video_id="v", requested_by="u")):
        state = evolve(evolve(after(PLAN), plain), end)
        (again,) = decide(state, Retry("v", "u"))
        assert again == TranscodeRetried(video_id="v", attempt=3, requested_by="u", plain=True)
        # Whoever asks for an attempt has it counted.
        assert not evolve(state, again).counted
    assert decide(evolve(after(PLAN), plain), Cancel("v", "u"))


def test_a_plain_attempt_reports_before_it_has_a_plan() -> None:
    progressed = TranscodeProgressed(video_id="v", attempt=1, percent=5.0, stage="preparing")
    assert not decide(Transcode(), RecordEvent(progressed))
    assert decide(Transcode(plain=True), RecordEvent(progressed))


def test_a_plain_plan_waits_with_the_tasks_that_take_long() -> None:
    (usual,) = open_tasks(None, "v", "u", 1, ["plan"])
    (plain,) = open_tasks(None, "v", "u", 2, ["plan"], plain_size=100_000_000)
    assert usual["priority"] <= URGENT_PRIORITY < plain["priority"]
    assert plain["cost"] > 100 * usual["cost"]


@pytest.mark.parametrize(
    ("sizes", "rotation", "frame"),
    [
        ([], 0, Frame(640, 360)),
        ([(320, 180, "1:1"), (180, 320, "1:1")], 0, Frame(320, 180)),
        ([(320, 180, "1:1"), (1280, 720, "1:1"), (640, 360, "1:1")], 0, Frame(1280, 720)),
        ([(320, 180, "1:1")], 90, Frame(640, 360)),
        ([(320, 180, "1:1"), (320, 182, "N/A")], 90, Frame(182, 320)),
        ([(720, 576, "64:45"), (720, 576, "16:15")], 0, Frame(1024, 576)),
        ([(3840, 2160, "1:1"), (8, 8, "1:1")], 0, Frame(1920, 1080)),
        ([(2160, 3840, "1:1"), (8, 8, "1:1")], 0, Frame(1080, 1920)),
        ([(321, 181, "N/A"), (8, 8, "1:1")], 0, Frame(320, 180)),
    ],
)
def test_the_frame_is_the_largest(
    sizes: list[tuple[int, int, str]], rotation: int, frame: Frame
) -> None:
    assert frame_for(msgspec.structs.replace(VIDEO, rotation=rotation), sizes) == frame


def test_parts_keep_the_shape_of_their_pixels() -> None:
    sizes = [(98, 76, "2:3"), (96, 160, "1:1")]
    assert own_shapes(VIDEO, sizes) == [
        "setsar='if(eq(w,96)*eq(h,160),1,if(eq(w,98)*eq(h,76),2/3,sar))'"
    ]
    # One shape for all, parts of one size, and what ffmpeg turns before its filters.
    assert own_shapes(VIDEO, [(98, 76, "1:1"), (96, 160, "N/A")]) == []
    assert own_shapes(VIDEO, [(98, 76, "2:3"), (98, 76, "1:1"), (96, 160, "1:1")]) == []
    assert own_shapes(msgspec.structs.replace(VIDEO, rotation=20), sizes) == []


def test_a_copy_leaves_room_on_the_disk() -> None:
    facts = SourceFacts(container="mpegts", duration_ms=3_600_000, size=1 << 30, video=VIDEO)
    frame = Frame(1920, 1080)
    ample = copy_budget(facts, frame, 1 << 40)
    tight = copy_budget(facts, frame, 4 << 30)
    assert tight.bytes == 2 << 30
    assert tight.rate * 3600 / 8 <= tight.bytes
    assert tight.rate < ample.rate
    # Its clock may be wrong: what it takes follows from the bytes too.
    short = msgspec.structs.replace(facts, duration_ms=0)
    assert copy_budget(short, frame, 1 << 40).seconds > 3600


@pytest.mark.parametrize(
    ("stated", "times", "rate"),
    [
        # Two parts whose last and first frame are half as far apart as others.
        (50, [*range(0, 100, 2), *range(99, 199, 2)], 25),
        # A picture that often stands still.
        (30, [n for n in range(0, 400, 3) if n % 90 < 30], 30),
        # An average over a clock that jumps.
        (1, [*range(0, 200, 2)], 25),
        (25, [0, 2, 4], 25),
    ],
)
def test_the_rate_is_the_sources_unless_frames_say_otherwise(
    stated: int, times: list[int], rate: int
) -> None:
    line = array("q", times)
    track = SampleTrack(
        kind="vide",
        timescale=90 if stated == 30 else 50,
        sizes=line,
        offsets=line,
        decode=line,
        composition=line,
        keys=line,
        edits=Edits(0, None, True, True),
        entry=b"",
        entries=1,
        end=times[-1] + 2,
    )
    assert plain_rate(Fraction(stated), track) == rate


def test_one_ordinary_run_takes_every_track(tmp_path: Path) -> None:
    video = msgspec.structs.replace(VIDEO, stream=2, interlaced=True, fields="apart")
    sounds = (
        AudioTrack(index=0, codec="aac", stream=1),
        AudioTrack(index=1, codec="aac", stream=4, channels=1),
    )
    facts = SourceFacts(container="mp4", duration_ms=1, size=1, video=video, audio=sounds)
    frame = Frame(640, 360)
    run = WholeRun(Input("f", remote=False), facts, frame, copy_budget(facts, frame, 1 << 30), 1)
    arguments = decode_whole(run, tmp_path / "plain.mp4")
    mapped = [b for a, b in itertools.pairwise(arguments) if a == "-map"]
    assert mapped == ["0:2", "0:1", "0:4"]
    assert "-copyts" not in arguments
    assert arguments[arguments.index("-filter:v") + 1].startswith("bwdif=mode=send_field")
    assert "layouts=mono" in arguments[arguments.index("-filter:a:1") + 1]


def probed(container: str) -> ProbedSource:
    facts = SourceFacts(container=container, duration_ms=8000, size=1)
    return ProbedSource(facts, Fraction(25), 8.0, 0, 0.0, False, frozenset((0, 1)))


def extent(*times: float) -> Extent:
    found = Extent(0, frozenset((0, 1)))
    for time in times:
        found.add(f"0,{time},0.04")
    found.close()
    return found


@pytest.mark.parametrize(
    ("container", "times", "jumps"),
    [
        ("mpegts", (0.0, 0.12, 0.04, 0.08, 8.0), 0),
        ("mpegts", (0.0, 4.0, 3604.0, 3608.0), 1),
        # Pictures of a presentation may be far apart.
        ("matroska", (0.0, 4.0, 3604.0, 3608.0), 0),
        # They may be stored in another order also where there is a pause.
        ("flv", (0.0, 0.7, 0.6, 7.9, 0.8, 7.8, 8.1), 0),
        ("mpegts", (0.0, 4.0, 0.0, 8.0), 1),
        ("flv", (0.0, 4.0, 8.0, 0.0, 8.0), 1),
        ("mpegts", (95_440.0, 95_443.0, 0.0, 4.0), 1),
    ],
)
def test_jumps_are_counted(container: str, times: tuple[float, ...], jumps: int) -> None:
    assert with_extent(probed(container), extent(*times), whole=True).jumps == jumps


def extent_of(*packets: str) -> Extent:
    """What packets say: a line of stream, time, length and place for each."""
    found = Extent(0, frozenset((0, 1)), in_order=frozenset((1,)))
    for packet in packets:
        found.add(packet)
    return found


def test_a_recording_begins_where_the_longest_track_of_the_one_before_ends() -> None:
    # Pictures are stored in decoding order, sound is not.
    first = ("0,1.0,0.2,10", "0,0.2,0.2,20", "1,1.0,0.5,30", "1,4.0,0.5,40")
    second = ("1,0.3,0.5,50", "0,0.1,0.2,60", "1,0.8,0.5,70")
    third = ("1,0.0,0.5,80", "0,0.0,0.2,90")

    found = extent_of(*first, *second, *third)

    joins = found.recordings.joins
    assert [join.place for join in joins] == [50, 80]
    # The second one has times from 0.1 to 1.3 s.
    assert [join.later for join in joins] == pytest.approx([4.4, 5.7])


def test_what_has_no_length_lasts_as_long_as_what_was_before() -> None:
    found = extent_of(*(f"0,{n * 0.5},N/A,{n}" for n in range(20)), "0,0.0,N/A,20")
    assert [join.later for join in found.recordings.joins] == pytest.approx([10.0])


def test_so_many_recordings_are_told_apart() -> None:
    packets = itertools.chain.from_iterable(
        (f"1,3.0,0.5,{2 * n}", f"1,0.0,0.5,{2 * n + 1}") for n in range(MAX_RECORDINGS)
    )
    found = extent_of(*packets)
    assert found.recordings.too_many
    assert len(found.recordings.joins) == MAX_RECORDINGS - 1


@pytest.mark.parametrize(
    ("container", "joins", "guessed"),
    [("flv", (Join(100, 3.0), Join(900, 7.5)), 0), ("flv", (), 0), ("aac", (), 1)],
)
def test_times_that_begin_again_go_on_and_guessed_ones_are_not_used(
    container: str, joins: tuple[Join, ...], guessed: int, tmp_path: Path
) -> None:
    sound = AudioTrack(index=0, codec="aac", stream=0)
    facts = msgspec.structs.replace(probed(container).facts, audio=(sound,))
    budget = copy_budget(facts, None, 1 << 30)
    run = WholeRun(Input("f", remote=False), facts, None, budget, 1, joins)
    arguments = decode_whole(run, tmp_path / "plain.mp4")
    assert arguments.count("+nofillin") == guessed
    clock = [b for a, b in itertools.pairwise(arguments) if a == "-bsf"]
    later = "gte(POS,100)*3.000000/TB+gte(POS,900)*4.500000/TB"
    moved = f"setts=pts='PTS+{later}':dts='if(eq(PTS,NOPTS),DTS+{later},NOPTS)'"
    assert clock == ([moved] if joins else [])


def test_the_end_that_a_jumping_clock_states_is_not_missing() -> None:
    nothing = Extent(0)
    assert with_extent(probed("mpegts"), nothing, whole=False).jumps
    with pytest.raises(MediaRejected):
        with_extent(probed("flv"), nothing, whole=False)
