"""Chapters over HTTP: they follow the description, and are as private as the video."""

from shared.contracts import VisibilityChanged, stream_id
from tests.integration.catalog.stage import Stage

CHAPTERS = "A ride.\n0:00 Intro\n0:02 Up & <down>"


async def test_chapters_follow_the_description(stage: Stage) -> None:
    ada = await stage.user()
    video_id = await stage.ready(ada)
    await stage.settle()
    shown = (await stage.get(f"/streaming/id/{video_id}")).json()["data"]
    assert shown["chapters"] == []
    end = shown["duration_ms"]
    assert end > 2000
    body = {"title": "A ride", "description": CHAPTERS}
    answer = await stage.call("PUT", f"/streaming/{video_id}", ada, json=body)
    assert answer.json()["data"]["chapters"] == [
        {"start_ms": 0, "end_ms": 2000, "title": "Intro"},
        {"start_ms": 2000, "end_ms": end, "title": "Up & <down>"},
    ]
    file = await stage.get(f"/videos/{video_id}/chapters.vtt")
    assert file.headers["content-type"].startswith("text/vtt")
    assert "00:00:02.000 --> " in file.text
    assert "Up &amp; &lt;down&gt;" in file.text
    again = {"if-none-match": file.headers["etag"]}
    assert (await stage.get(f"/videos/{video_id}/chapters.vtt", headers=again)).status_code == 304


async def test_of_a_private_video_only_its_owner_learns_them(stage: Stage) -> None:
    ada, bob = await stage.user(), await stage.user()
    video_id = await stage.ready(ada, description=CHAPTERS)
    hidden = VisibilityChanged(video_id=video_id, visibility="private")
    await stage.record(stream_id("video", video_id), hidden)
    await stage.settle()
    path = f"/videos/{video_id}/chapters.vtt"
    assert (await stage.get(path, ada)).status_code == 200
    assert (await stage.get(path, bob)).status_code == 404
    assert (await stage.get(path)).status_code == 404
    assert (await stage.get("/videos/nothing/chapters.vtt")).status_code == 404
