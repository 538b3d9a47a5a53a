"""Targets as their owners see them, of lives that run."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.live.flv.tags import Tag, content
from services.live.simulcast.sealing import Sealer
from shared.database.connect import create_engine
from tests.integration.live.harness import OBS, Live
from tests.integration.live.simulcast_targets import at_once, target
from tests.integration.live.studio import Studio, connected, until_state
from tests.support.databases import Database
from tests.support.flv_files import flv
from tests.support.wait import eventually


@pytest.fixture
async def studio(live: Live, database: Database) -> AsyncIterator[Studio]:
    engine = create_engine(database.url("live"), size=2)
    yield Studio(live, engine)
    await engine.dispose()


async def test_a_running_live_is_sent_to_its_targets(studio: Studio, tmp_path: Path) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    live_id, key = await studio.live.stream()
    replica = studio.replica()
    async with target() as (door, port):
        one = await studio.add(live_id, port)
        assert (await studio.shown(live_id, one))["state"] == "idle"
        session = await connected(studio.live, key)
        tap = replica.open(session)
        for tag in tags[: len(tags) // 2]:
            tap.offer(tag)
        shown = await until_state(studio, replica, live_id, one, "broadcasting")
        assert shown["error"] is None
        # Its headers were sent before the target was there.
        for tag in tags[len(tags) // 2 :]:
            tap.offer(tag)
        await eventually(lambda: len(door.sinks[0].tags) > 20)
        first = next(found for tag in door.sinks[0].tags if (found := content_of(tag)) is not None)
        assert first.header
        off = await studio.ask(
            "PATCH", f"{live_id}/simulcast-targets/{one}", json={"enabled": False}
        )
        assert off.json()["data"]["state"] == "disabled"
        await replica.round()
        async with asyncio.timeout(60):
            await door.sinks[0].ended.wait()
        await studio.ask("PATCH", f"{live_id}/simulcast-targets/{one}", json={"enabled": True})
        await until_state(studio, replica, live_id, one, "broadcasting")
        tap.close()
        await replica.round()
        assert await studio.states(live_id) == ["starting", "broadcasting"] * 2 + ["idle"]
        await replica.close()


def content_of(tag: Tag) -> Any:
    return None if tag.kind == 18 else content(tag)


async def test_another_replica_goes_on_and_the_old_one_says_nothing_more(studio: Studio) -> None:
    live_id, key = await studio.live.stream()
    old, new = studio.replica(), studio.replica()
    async with target() as (door, port):
        one = await studio.add(live_id, port)
        session = await connected(studio.live, key)
        late = old.open(session)
        await until_state(studio, old, live_id, one, "broadcasting")
        await studio.live.age(10)
        again = await studio.live.two.sessions.connect(key, OBS)
        await studio.live.two.sessions.alive(again, sending=True)
        assert again.epoch == 2
        new.open(again)
        await until_state(studio, new, live_id, one, "broadcasting")
        late.close()
        await old.round()
        assert (await studio.shown(live_id, one))["state"] == "broadcasting"
        assert len(door.sinks) == 2
        await new.close()


async def test_errors_are_told_and_a_lost_secret_too(studio: Studio) -> None:
    live_id, key = await studio.live.stream()
    async with target() as (_, port):
        one = await studio.add(live_id, port, key="wrong-key-9")
        session = await connected(studio.live, key)
        replica = studio.replica()
        tap = replica.open(session)
        shown = await until_state(studio, replica, live_id, one, "retrying")
        assert shown["error"] == "It refused the stream: no stream has this key"

        async def given_up() -> bool:
            await replica.round()
            return (await studio.rows.of_streams([live_id]))[0].state == "errored"

        tap.senders[one]._pause = at_once
        tap.senders[one]._failures = 8
        await eventually(given_up, 20)
        path = f"{live_id}/simulcast-targets/{one}"
        for enabled in (False, True):
            await studio.ask("PATCH", path, json={"enabled": enabled})
        shown = await until_state(studio, replica, live_id, one, "retrying")
        await replica.close()
        other = studio.replica(Sealer("another secret"))
        other.open(session)
        shown = await until_state(studio, other, live_id, one, "errored")
        assert "key cannot be read" in shown["error"]
        await other.close()
    stream = await studio.live.store.read_stream(f"live-{live_id}")
    assert all("wrong-key-9" not in repr(event) for event in stream)
    assert all(str(port) not in repr(event.data) for event in stream)


async def test_targets_are_made_shown_and_deleted(studio: Studio) -> None:
    live_id, _ = await studio.live.stream()
    path = f"{live_id}/simulcast-targets"
    body = {"url": "rtmps://live.example.com/app/", "stream_key": "k-123-secret"}
    made = await studio.ask("POST", path, json=body, also={"idempotency-key": "one"})
    assert made.status_code == 201, made.text
    assert "k-123" not in made.text
    data = made.json()["data"]
    assert (data["name"], data["url"]) == ("live.example.com", "rtmps://live.example.com/app")
    again = await studio.ask("POST", path, json=body, also={"idempotency-key": "one"})
    assert again.json()["data"]["id"] == data["id"]
    other = {**body, "stream_key": "another"}
    differs = await studio.ask("POST", path, json=other, also={"idempotency-key": "one"})
    assert differs.status_code == 409
    assert (await studio.ask("GET", path)).json()["data"] == [data]
    assert "k-123" not in (await studio.ask("GET", f"{path}/{data['id']}")).text
    stored = await studio.rows.by_id(data["id"])
    assert stored is not None
    assert b"k-123" not in stored.sealed
    assert "k-123" not in repr(stored) + stored.fingerprint
    for method in ("GET", "PATCH", "DELETE"):
        theirs = await studio.ask(method, f"{path}/{data['id']}", "bob", json={"enabled": False})
        assert theirs.status_code == 404
    assert (await studio.ask("POST", path, "bob", json=body)).status_code == 404
    for bad in (
        {},
        {**body, "url": "rtmp://10.0.0.1/x"},
        {**body, "x": 1},
        {**body, "url": "srt://a.b/c"},
    ):
        refused = await studio.ask("POST", path, json=bad)
        assert refused.status_code == 400
        assert "k-123" not in refused.text
    assert (await studio.ask("POST", path, json=body)).status_code == 201
    full = await studio.ask("POST", path, json=body)
    assert (full.status_code, full.json()["error"]["type"]) == (403, "quota_exceeded")
    second, _ = await studio.live.stream()
    assert (await studio.ask("POST", f"{second}/simulcast-targets", json=body)).status_code == 201
    assert (await studio.ask("POST", f"{second}/simulcast-targets", json=body)).status_code == 403
    assert (await studio.ask("DELETE", f"{path}/{data['id']}")).status_code == 204
    assert (await studio.ask("DELETE", f"{path}/{data['id']}")).status_code == 404
    await studio.live.one.streams.delete("ann", live_id)
    assert await studio.rows.of_streams([live_id]) == []
