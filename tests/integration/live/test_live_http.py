"""The routes of live streams: what owners may do, and nobody else."""

from typing import Any

import asyncpg
import pytest

from services.live.ports import Refused
from shared.contracts import LiveEnded
from shared.event_store import changes
from tests.integration.live.harness import OBS, Live

STREAMS = "/api/v1/live/streams"
UNKNOWN = "00000000-0000-7000-8000-000000000000"


async def test_a_stream_is_made_shown_changed_and_deleted(live: Live) -> None:
    async with live.client() as client:
        body = {"title": " Bikes ", "description": "Race", "visibility": "unlisted"}
        made = await client.post(STREAMS, json=body)
        assert made.status_code == 201
        assert made.headers["cache-control"] == "no-store"
        data = made.json()["data"]
        key = data.pop("stream_key")
        assert len(key) >= 40
        assert (data.pop("srt_stream_id"), data.pop("srt_passphrase")) == (None, None)
        assert data == {
            "id": data["id"],
            "title": "Bikes",
            "description": "Race",
            "visibility": "unlisted",
            "latency": "low",
            "record": True,
            "reconnect_seconds": 60,
            "clips_by": "owner",
            "chat": True,
            "status": "idle",
            "video_id": None,
            "rtmp_url": "rtmp://localhost:1935/live",
            "rtmps_url": None,
            "srt_url": None,
            "whip_url": None,
            "scheduled_at": None,
            "planned_id": None,
            "created_at": data["created_at"],
        }
        address = made.headers["location"]
        assert (await client.get(address)).json()["data"] == data
        assert (await client.get(STREAMS)).json()["data"] == [data]
        changed = await client.patch(address, json={"latency": "standard"})
        assert changed.json()["data"] == data | {"latency": "standard"}
        assert (await client.patch(address, json={})).json()["data"]["latency"] == "standard"
        disabled = await client.post(f"{address}/disable")
        assert disabled.json()["data"]["status"] == "disabled"
        enabled = await client.post(f"{address}/enable")
        assert enabled.json()["data"]["status"] == "idle"
        health = await client.get(f"{address}/health")
        assert health.json()["data"]["status"] == "idle"
        assert health.json()["data"]["bit_rate"] is None
        assert (await client.get(f"{address}/sessions")).json()["data"] == []
        assert (await client.post(f"{address}/complete")).json()["data"]["status"] == "idle"
        assert (await client.delete(address)).status_code == 204
        assert (await client.get(address)).status_code == 404
        assert (await client.get(STREAMS)).json()["data"] == []


async def test_who_has_made_all_changes_of_a_day_leaves_nothing_half_done(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live.client() as client:
        made = await client.post(STREAMS, json={"title": "A"})
        address, key = made.headers["location"], made.json()["data"]["stream_key"]
        monkeypatch.setattr(changes, "PER_DAY", 1)
        refused = [
            await client.post(STREAMS, json={"title": "B"}),
            await client.post(f"{address}/key"),
            await client.patch(address, json={"title": "C"}),
        ]
        for answer in refused:
            assert answer.status_code == 429, answer.text
            assert answer.json()["error"]["type"] == "too_many_changes"
        with pytest.raises(Refused, match="as many changes"):
            await live.one.sessions.connect(key, OBS)
        owner = await asyncpg.connect(live.database.admin_url)
        assert await owner.fetchval("select count(*) from live.streams") == 1
        phases = await owner.fetch("select phase from live.sessions")
        assert {row["phase"] for row in phases} <= {"closed"}
        await owner.close()
        assert (await client.post(f"{address}/disable")).status_code == 200
        assert (await client.delete(address)).status_code == 204


async def test_a_stream_is_its_owners_alone(live: Live) -> None:
    live_id, _ = await live.stream()
    address = f"{STREAMS}/{live_id}"
    requests: list[tuple[str, str, Any]] = [
        ("GET", address, None),
        ("PATCH", address, {"title": "Mine"}),
        ("DELETE", address, None),
        *(("POST", f"{address}/{what}", None) for what in ("key", "enable", "disable", "complete")),
        *(("GET", f"{address}/{what}", None) for what in ("health", "sessions")),
    ]
    async with live.client("bob") as bob, live.client(None) as nobody:
        assert (await bob.get(STREAMS)).json()["data"] == []
        for method, path, body in requests:
            answer = await bob.request(method, path, json=body)
            assert answer.status_code == 404, (method, path)
            assert answer.json()["error"]["type"] == "live_stream_not_found"
            answer = await bob.request(method, path.replace(live_id, UNKNOWN), json=body)
            assert answer.status_code == 404
            assert (await nobody.request(method, path, json=body)).status_code == 401
    assert await live.status(live_id) == "idle"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": ""},
        {"title": "\u200b"},
        {"title": "x" * 201},
        {"title": "a", "description": "x" * 5001},
        {"title": "a", "visibility": "draft"},
        {"title": "a", "latency": "ultra"},
        {"title": "a", "record": "yes"},
        {"title": "a", "reconnect_seconds": -1},
        {"title": "a", "reconnect_seconds": 1801},
        {"title": "a", "reconnect_seconds": 1.5},
        {"title": "a", "stream_key": "mine"},
        {"title": "a", "clips_by": "nobody"},
        {"title": "a", "surprise": 1},
        {"title": None},
        [],
    ],
)
async def test_what_breaks_a_rule_is_refused(live: Live, body: Any) -> None:
    live_id, _ = await live.stream()
    async with live.client() as client:
        assert (await client.post(STREAMS, json=body)).status_code == 400
        if body != {}:
            answer = await client.patch(f"{STREAMS}/{live_id}", json=body)
            assert answer.status_code == 400
        assert len((await client.get(STREAMS)).json()["data"]) == 1


async def test_a_malformed_id_is_no_stream(live: Live) -> None:
    async with live.client() as client:
        for live_id in ("x", "..", UNKNOWN.upper() + "0", "%00"):
            assert (await client.get(f"{STREAMS}/{live_id}")).status_code in {400, 404}


async def test_an_idempotency_key_makes_one_stream(live: Live) -> None:
    headers = {"idempotency-key": "one"}
    async with live.client() as client, live.client("bob") as bob:
        first = await client.post(STREAMS, json={"title": "a"}, headers=headers)
        again = await client.post(STREAMS, json={"title": "a"}, headers=headers)
        assert again.status_code == 201
        assert again.json()["data"]["id"] == first.json()["data"]["id"]
        # The first key is not stored, so it cannot be shown again.
        assert again.json()["data"]["stream_key"] != first.json()["data"]["stream_key"]
        other = await client.post(STREAMS, json={"title": "b"}, headers=headers)
        assert other.status_code == 409
        assert other.json()["error"]["type"] == "idempotency_key_reused"
        theirs = await bob.post(STREAMS, json={"title": "a"}, headers=headers)
        assert theirs.json()["data"]["id"] != first.json()["data"]["id"]
        assert len((await client.get(STREAMS)).json()["data"]) == 1


async def test_a_user_has_so_many_streams(live: Live) -> None:
    ids = [(await live.stream())[0] for _ in range(3)]
    async with live.client() as client:
        answer = await client.post(STREAMS, json={"title": "One more"})
        assert answer.status_code == 403
        assert answer.json()["error"]["type"] == "quota_exceeded"
        await client.delete(f"{STREAMS}/{ids[0]}")
        assert (await client.post(STREAMS, json={"title": "One more"})).status_code == 201


async def test_viewers_are_shown_while_it_is_live_and_kept_when_it_ends(live: Live) -> None:
    live_id, key = await live.stream()
    session = await live.one.sessions.connect(key, OBS)
    video_id, address = session.video_id, f"{STREAMS}/{live_id}"
    async with live.client() as client:
        await live.one.audience.round()
        assert (await client.get(f"{address}/health")).json()["data"]["viewers"] is None
        for now, total in ((3, 3), (9, 11), (2, 12)):
            live.one.viewers.known[video_id] = (now, total)
            await live.one.audience.round()
            assert (await client.get(f"{address}/health")).json()["data"]["viewers"] == now
        # Redis is away: the number is unknown, and what was noted stays.
        live.one.viewers.known.clear()
        await live.one.audience.round()
        assert (await client.get(f"{address}/health")).json()["data"]["viewers"] is None
        await client.post(f"{address}/complete")
        (shown,) = (await client.get(f"{address}/sessions")).json()["data"]
        assert (shown["peak_viewers"], shown["total_viewers"]) == (9, 12)
    ended = (await live.one.sessions.history(video_id))[-1]
    assert isinstance(ended, LiveEnded)
    assert (ended.peak_viewers, ended.total_viewers) == (9, 12)
