"""One upload is one trace, from the request through every process to the last projection."""

import re
import secrets
import subprocess
from collections import Counter
from pathlib import Path

import imageio_ffmpeg
import pytest

from tests.e2e.people import sign_up, until
from tests.support.otlp import Receiver, Span
from tests.support.stack import RunningStack

# What an id, a hash, a file or an address would look like in a name.
_NO_NAME = re.compile(r"[0-9a-f]{8}|\d{3,}|://|\.mp4")
_END = "catalog.library process"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with sound, in a codec that has to be encoded anew."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    subprocess.run(
        [
            *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin"),
            *("-f", "lavfi", "-i", "testsrc=size=320x180:rate=25:duration=2"),
            *("-f", "lavfi", "-i", "sine=duration=2"),
            *("-c:v", "mpeg4", "-c:a", "aac", str(path)),
        ],
        check=True,
        timeout=60,
    )
    return path


@pytest.fixture(scope="module")
def story(cinelog: RunningStack, telemetry: Receiver, clip: Path) -> list[Span]:
    """The spans of one upload, once all that follows from it is seen by everybody."""
    trace_id = secrets.token_hex(16)
    with sign_up(cinelog.url) as person:
        with clip.open("rb") as file:
            answer = person.client.post(
                "/api/v1/streaming/upload",
                data={"title": "A traced ride"},
                files={"video": (clip.name, file, "video/mp4")},
                headers={"traceparent": f"00-{trace_id}-{'b7' * 8}-01"},
            )
        assert answer.status_code == 202, answer.text
        assert answer.headers["trace-id"] == trace_id
        assert person.finish(answer.json()["data"]["job_id"])["status"] == "completed"
    sizes: list[int] = []

    def settled() -> list[Span] | None:
        spans = telemetry.trace(trace_id)
        sizes.append(len(spans))
        projected = [span for span in spans if span.name == _END]
        # Everybody has sent what they had: nothing has come for a while.
        still = len(sizes) > 15 and len(set(sizes[-15:])) == 1
        return spans if projected and still else None

    return until(settled)


def one(spans: list[Span], name: str) -> Span:
    found = [span for span in spans if span.name == name]
    assert len(found) == 1, (name, [span.name for span in found], sorted(names(spans)))
    return found[0]


def names(spans: list[Span]) -> Counter[str]:
    return Counter(f"{span.service}: {span.name}" for span in spans)


def ancestors(spans: list[Span], span: Span) -> list[str]:
    by_id = {each.span_id: each for each in spans}
    found: list[str] = []
    while span.parent_id in by_id:
        span = by_id[span.parent_id]
        found.append(span.name)
    return found


def test_no_span_is_an_orphan(story: list[Span]) -> None:
    known = {span.span_id for span in story}
    assert len(known) == len(story)
    roots = [span for span in story if span.parent_id not in known]
    assert [(span.service, span.name, span.parent_id) for span in roots] == [
        ("cinelog-gateway", "POST /api/v1/streaming/upload", "b7" * 8)
    ]


def test_no_name_holds_an_id(story: list[Span]) -> None:
    assert [span.name for span in story if _NO_NAME.search(span.name)] == []


def test_nothing_failed(story: list[Span]) -> None:
    assert [span for span in story if span.failed] == []


def test_everybody_who_took_part_is_in_it(story: list[Span]) -> None:
    assert {span.service for span in story} == {
        "cinelog-gateway",
        "cinelog-ingest",
        "cinelog-relay",
        "cinelog-transcoder",
        "cinelog-transcoder-worker",
        "cinelog-catalog-projector",
        # The gateway asks it whether it shows the upload already.
        "cinelog-catalog",
    }


def test_the_request_goes_through_the_gateway_to_ingest(story: list[Span]) -> None:
    request, received = [span for span in story if span.name == "POST /api/v1/streaming/upload"]
    if request.service != "cinelog-gateway":
        request, received = received, request
    assert (request.kind, received.kind) == ("SERVER", "SERVER")
    assert received.service == "cinelog-ingest"
    assert received.parent_id == request.span_id
    below = {span.name for span in story if span.parent_id == received.span_id}
    assert {"log append", "cinelog.events publish"} <= below
    assert any(name.startswith("s3 ") for name in below)
    assert any(name.startswith("sql ") for name in below)
    limit = one(story, "redis take")
    assert limit.parent_id == request.span_id


@pytest.mark.parametrize(
    "queue", ["catalog.library", "transcoder.planner", "ingest.doomed_sources"]
)
def test_events_reach_every_projection_through_the_broker(story: list[Span], queue: str) -> None:
    processed = [span for span in story if span.name == f"{queue} process"]
    assert processed, sorted(names(story))
    by_id = {span.span_id: span for span in story}
    for span in processed:
        published = by_id[span.parent_id]
        assert (published.service, published.name) == ("cinelog-relay", "cinelog.events publish")
        assert (published.kind, span.kind) == ("PRODUCER", "CONSUMER")
    projected = [span for span in story if span.name == f"project {queue}"]
    assert projected
    assert {by_id[span.parent_id].name == f"{queue} process" for span in projected} & {True}, [
        by_id[span.parent_id].name for span in projected
    ]


def test_every_task_runs_ffmpeg_where_the_planner_sent_it(story: list[Span]) -> None:
    kinds = Counter(span.name for span in story if span.name.startswith("transcode "))
    assert set(kinds) == {f"transcode {kind}" for kind in ("plan", "video", "audio", "images")}
    for task in [span for span in story if span.name in kinds]:
        assert task.service == "cinelog-transcoder-worker"
        queue = ancestors(story, task)[:2]
        assert queue in (
            ["transcoder.urgent process", "transcoder.urgent publish"],
            ["transcoder.bulk process", "transcoder.bulk publish"],
        )
        below = [span for span in story if task.name in ancestors(story, span)]
        program = "ffprobe" if task.name == "transcode plan" else "ffmpeg"
        assert program in {span.name for span in below}
        assert "log append" in {span.name for span in below}


def test_an_encode_says_what_it_made_and_how_fast(story: list[Span]) -> None:
    by_id = {span.span_id: span for span in story}
    encodes = [
        span
        for span in story
        if span.name == "ffmpeg"
        and by_id[span.parent_id].name == "transcode video"
        and int(span.attributes.get("ffmpeg.frames", 0)) >= 50
    ]
    assert encodes
    for encode in encodes:
        assert encode.attributes["transcode.renditions"]
        assert float(by_id[encode.parent_id].attributes["transcode.speed"]) > 0


def test_playlists_are_published_in_it(story: list[Span]) -> None:
    published = [span for span in story if span.name == "publish playlists"]
    assert {span.service for span in published} == {"cinelog-transcoder"}
    below = {span.name for span in story if "publish playlists" in ancestors(story, span)}
    assert {"s3 PutObject", "log append", "cinelog.events publish"} <= below


def test_metrics_arrive_with_exemplars_that_lead_to_the_trace(
    story: list[Span], telemetry: Receiver
) -> None:
    def exemplars() -> list[str]:
        metric = telemetry.metrics("cinelog-transcoder").get("cinelog_time_to_playable_seconds", {})
        points = metric.get("histogram", {}).get("dataPoints", [])
        return [kept["spanId"] for point in points for kept in point.get("exemplars", [])]

    assert until(exemplars)
    speed = until(
        lambda: telemetry.metrics("cinelog-transcoder-worker").get("cinelog_encode_speed_ratio")
    )
    assert speed["histogram"]["dataPoints"]
