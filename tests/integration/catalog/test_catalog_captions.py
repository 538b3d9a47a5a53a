"""Captions over HTTP: who stores and reads them, and what is in the log and in the bucket."""

import hashlib

from services.catalog.http.conversions import FILES
from shared.contracts import (
    CaptionsExtracted,
    CaptionsRemoved,
    CaptionsStored,
    CaptionTrack,
    SourceNote,
    StoredObject,
    VisibilityChanged,
    stream_id,
)
from tests.integration.catalog.stage import Stage, open_stage
from tests.support.buckets import Buckets
from tests.support.databases import Database

SRT = "1\n00:00:01,000 --> 00:00:02,000\n<script>alert(1)</script><i>Hello</i>\n"
VTT = "WEBVTT\n\n00:01.000 --> 00:02.000\nOi\n"


async def put(stage: Stage, video: str, language: str, user: str | None, **body: str) -> int:
    answer = await stage.call(
        "PUT", f"/videos/{video}/captions/{language}", user, json={"text": SRT, **body}
    )
    return answer.status_code


async def events(stage: Stage, video: str) -> list[object]:
    return [each.data for each in await stage.store.read_stream(stream_id("video", video))]


async def test_captions_are_stored_listed_replaced_and_removed(
    database: Database, s3: Buckets
) -> None:
    async with open_stage(database, s3=s3) as stage:
        ada = await stage.user()
        video = await stage.ready(ada)
        await stage.settle()
        path = f"/videos/{video}/captions"
        assert (await stage.get(path)).json()["data"] == []
        assert await put(stage, video, "pt-br", ada, text=VTT, label="Português") == 200
        assert await put(stage, video, "en", ada, kind="captions") == 200
        first, second = (await stage.get(path)).json()["data"]
        assert (first["language"], first["label"], first["kind"]) == ("en", "en", "captions")
        assert (second["language"], second["label"]) == ("pt-BR", "Português")
        shown = (await stage.get(f"/streaming/id/{video}")).json()["data"]["captions"]
        assert shown == [first, second]
        stored = (await events(stage, video))[-1]
        assert isinstance(stored, CaptionsStored)
        fact = stored.track.object
        assert first["url"] == f"https://cinelog.test/media/public/{fact.key}"
        body = s3.client().get_object(Bucket=s3.media, Key=fact.key)["Body"].read()
        assert (len(body), hashlib.sha256(body).hexdigest()) == (fact.size, fact.sha256)
        assert b"00:00:01.000 --> 00:00:02.000\nalert(1)<i>Hello</i>\n" in body
        assert await put(stage, video, "en", ada, text=VTT) == 200
        replaced = (await events(stage, video))[-1]
        assert isinstance(replaced, CaptionsStored)
        assert replaced.replaced_bytes == fact.size
        assert replaced.track.object.key != fact.key
        assert (await stage.call("DELETE", f"{path}/en", ada)).status_code == 200
        assert (await stage.call("DELETE", f"{path}/en", ada)).status_code == 404
        assert (await events(stage, video))[-1] == CaptionsRemoved(
            video_id=video, language="en", removed_bytes=replaced.track.object.size
        )
        assert [each["language"] for each in (await stage.get(path)).json()["data"]] == ["pt-BR"]


async def test_they_are_as_private_as_the_video(database: Database, s3: Buckets) -> None:
    async with open_stage(database, s3=s3) as stage:
        ada, bob = await stage.user(), await stage.user()
        video = await stage.ready(ada)
        await stage.settle()
        assert await put(stage, video, "en", None) == 401
        assert await put(stage, video, "en", bob) == 403
        assert await put(stage, video, "en", ada) == 200
        hidden = VisibilityChanged(video_id=video, visibility="private")
        await stage.record(stream_id("video", video), hidden, at=1)
        await stage.settle()
        path = f"/videos/{video}/captions"
        assert (await stage.get(path)).status_code == 404
        assert (await stage.get(path, bob)).status_code == 404
        assert await put(stage, video, "en", bob) == 404
        (own,) = (await stage.get(path, ada)).json()["data"]
        assert "/media/public/" not in own["url"]
        assert len(s3.keys(s3.media)) == 1


async def test_nobody_keeps_the_catalog_busy_with_files(database: Database, s3: Buckets) -> None:
    async with open_stage(database, s3=s3) as stage:
        ada, bob = await stage.user(), await stage.user()
        hers, his = await stage.ready(ada), await stage.ready(bob)
        await stage.settle()
        answers = [await put(stage, hers, "en", ada, text="no captions") for _ in range(FILES + 20)]
        assert answers[:FILES] == [400] * FILES
        assert 429 in answers
        assert await put(stage, his, "en", bob) == 200


async def test_what_is_no_captions_is_refused_and_not_stored(
    database: Database, s3: Buckets
) -> None:
    async with open_stage(database, s3=s3) as stage:
        ada = await stage.user()
        video = await stage.ready(ada)
        await stage.settle()
        for language, body in (
            ("english", {}),
            ("en", {"text": "no captions at all"}),
            ("en", {"label": "a\u202eb"}),
            ("en", {"kind": "chapters"}),
        ):
            assert await put(stage, video, language, ada, **body) == 400
        assert s3.keys(s3.media) == []
        assert await events(stage, video) == []


def of_file(video: str, language: str) -> CaptionTrack:
    fact = StoredObject(key=f"{video}/captions/{language}-f.vtt", size=9, sha256=f"f-{language}")
    return CaptionTrack(
        language=language, kind="subtitles", label=language, object=fact, origin="file"
    )


async def test_text_tracks_of_the_file_are_captions_unless_a_person_has_said_otherwise(
    database: Database, s3: Buckets
) -> None:
    async with open_stage(database, s3=s3) as stage:
        ada = await stage.user()
        video = await stage.ready(ada)
        await stage.settle()
        path = f"/videos/{video}/captions"
        for language in ("de", "en"):
            assert await put(stage, video, language, ada) == 200
        assert (await stage.call("DELETE", f"{path}/de", ada)).status_code == 200
        found = tuple(of_file(video, language) for language in ("de", "en", "fr"))
        note = SourceNote(code="captions_left_out", text="Pictures were left out.")
        event = CaptionsExtracted(
            video_id=video, attempt=1, tracks=found, worker="w", notes=(note,)
        )
        transcode = stream_id("transcode", video)
        version = len(await stage.store.read_stream(transcode))
        await stage.record(transcode, event, at=version)
        await stage.settle()
        assert await stage.background().take_captions() == 1
        await stage.settle()
        assert await stage.background().take_captions() == 0
        shown = (await stage.get(path)).json()["data"]
        assert [(each["language"], each["origin"]) for each in shown] == [
            ("en", "upload"),
            ("fr", "file"),
        ]
        job = (await stage.get(f"/jobs/{video}", ada)).json()["data"]
        assert [each["code"] for each in job["notes"]] == ["captions_left_out"]
        assert (await stage.call("DELETE", f"{path}/fr", ada)).status_code == 200
        again = CaptionsExtracted(video_id=video, attempt=2, tracks=found, worker="w")
        await stage.record(transcode, again, at=version + 1)
        await stage.settle()
        assert await stage.background().take_captions() == 0
