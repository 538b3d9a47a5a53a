"""Who may have a video as a file, over HTTP on a real database."""

from typing import Any

import pytest

from shared.contracts import (
    DownloadFile,
    DownloadsMade,
    SessionRevoked,
    StoredObject,
    TranscodeRetried,
    new_id,
    stream_id,
)
from tests.integration.catalog.stage import Stage
from tests.support.live_events import live_connected


def file(video: str, rendition: str, width: int, height: int) -> DownloadFile:
    index = StoredObject(key=f"{video}/a1/downloads/{rendition}.bin", size=900, sha256="ab" * 32)
    return DownloadFile(
        rendition=rendition, width=width, height=height, size=5000 + height, head=700, index=index
    )


async def offered(stage: Stage, user: str, **facts: Any) -> str:
    """A complete video with two files."""
    video = await stage.ready(user, **facts)
    files = (file(video, "720p", 1280, 720), file(video, "240p", 426, 240))
    await stage.record(
        stream_id("transcode", video), DownloadsMade(video_id=video, attempt=1, files=files)
    )
    return video


async def test_the_owner_always_others_if_it_is_offered(stage: Stage) -> None:
    ada, bob = await stage.user("ada"), await stage.user("bob")
    video = await offered(stage, ada, title="Bikes")
    await stage.settle()
    path = f"/videos/{video}/download"

    for refused in (await stage.get(path), await stage.get(path, user=bob)):
        assert refused.status_code == 403
        assert refused.json()["error"]["type"] == "downloads_not_allowed"
    shown = (await stage.get(f"/streaming/id/{video}")).json()["data"]
    assert (shown["downloads"], shown["files"]) == ("nobody", [])

    own = (await stage.get(f"/streaming/id/{video}", user=ada)).json()["data"]
    assert [each["rendition"] for each in own["files"]] == ["720p", "240p"]
    assert [each["size"] for each in own["files"]] == [5720, 5240]
    mine = (await stage.get(path, user=ada)).json()["data"]
    assert mine["size"] == 5720
    assert mine["disposition"].startswith('attachment; filename="Bikes (720p).mp4"')

    change = f"/streaming/{video}/downloads"
    assert (await stage.call("PATCH", change, bob, json={"downloads": "anyone"})).status_code == 403
    assert (await stage.call("PATCH", change, ada, json={"downloads": "all"})).status_code == 400
    changed = await stage.call("PATCH", change, ada, json={"downloads": "anyone"})
    assert changed.json()["data"]["downloads"] == "anyone"

    place = await stage.get(f"{path}?rendition=240p")
    assert place.json()["data"]["index"] == f"{video}/a1/downloads/240p.bin"
    other = await stage.get(f"{path}?rendition=1080p")
    assert (other.status_code, other.json()["error"]["type"]) == (404, "rendition_not_found")
    listed = (await stage.get("/streaming/latest")).json()["data"]["data"][0]
    assert listed["downloads"] == "anyone"
    assert listed["files"][1]["url"].endswith(f"/api/v1/videos/{video}/download?rendition=240p")


async def test_an_upload_says_who_may_have_it(stage: Stage) -> None:
    video = await offered(stage, await stage.user(), downloads="anyone")
    await stage.settle()
    assert (await stage.get(f"/videos/{video}/download")).status_code == 200


async def test_an_address_of_the_owners_opens_until_the_session_ends(stage: Stage) -> None:
    ada = await stage.user("ada")
    video = await offered(stage, ada, visibility="private")
    await stage.settle()
    session = new_id()
    headers = stage.login(ada, session=session)
    own = (await stage.get(f"/streaming/id/{video}", headers=headers)).json()["data"]
    address = own["files"][0]["url"].partition("/api/v1")[2]

    assert (await stage.get(address)).status_code == 200
    assert (await stage.get(address.replace("&grant=", "&grant=0"))).status_code == 404
    another = await offered(stage, ada, visibility="private")
    await stage.settle()
    assert (await stage.get(address.replace(video, another))).status_code == 404
    await stage.record(
        stream_id("user", ada), SessionRevoked(user_id=ada, session_id=session, reason="logout")
    )
    await stage.settle()
    assert (await stage.get(address)).status_code == 404


@pytest.mark.parametrize("visibility", ["private", "draft"])
async def test_what_is_hidden_is_not_there_for_others(stage: Stage, visibility: str) -> None:
    ada, bob = await stage.user("ada"), await stage.user("bob")
    video = await offered(stage, ada, visibility=visibility, downloads="anyone")
    await stage.settle()
    path = f"/videos/{video}/download"
    for refused in (await stage.get(path), await stage.get(path, user=bob)):
        assert (refused.status_code, refused.json()["error"]["type"]) == (404, "video_not_found")
    assert (await stage.get(path, user=ada)).status_code == 200


async def test_there_is_nothing_until_it_is_complete(stage: Stage) -> None:
    ada = await stage.user("ada")
    growing = await stage.upload(ada, downloads="anyone")
    live = new_id()
    await stage.record(
        stream_id("livesession", live),
        live_connected(live, ada, live_id=new_id(), title="Live", record=True),
    )
    again = await offered(stage, ada)
    await stage.record(
        stream_id("transcode", again),
        TranscodeRetried(video_id=again, attempt=2, requested_by=ada),
    )
    await stage.settle()
    for video in (growing, live, again):
        answer = await stage.get(f"/videos/{video}/download", user=ada)
        assert (answer.status_code, answer.json()["error"]["type"]) == (409, "download_not_ready")
    for unknown in (new_id(), "x"):
        assert (await stage.get(f"/videos/{unknown}/download")).status_code == 404
