"""Targets by SRT as their owners see them, of lives that run."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.live.simulcast.by_srt import Srt
from services.live.srt.library import Library
from shared.database.connect import create_engine
from tests.integration.live.harness import Live
from tests.integration.live.srt_targets import PASSPHRASE, program, srt_target
from tests.integration.live.studio import Studio, connected, until_state
from tests.support.databases import Database
from tests.support.flv_files import flv
from tests.support.live_publishers import KEY
from tests.support.wait import eventually


@pytest.fixture
async def studio(
    live: Live, database: Database, library: Library, tmp_path: Path
) -> AsyncIterator[Studio]:
    engine = create_engine(database.url("live"), size=2)
    yield Studio(live, engine, Srt(library, program(tmp_path)))
    await engine.dispose()


async def test_a_running_live_is_sent_by_srt_and_no_secret_is_told(
    studio: Studio, library: Library, tmp_path: Path
) -> None:
    tags = flv(tmp_path / "clip.flv", gop=25)
    live_id, key = await studio.live.stream()
    replica = studio.replica()
    async with srt_target(library, tmp_path, passphrase=PASSPHRASE) as (door, port):
        with capture_logs() as logs:
            address = f"srt://127.0.0.1:{port}"
            secrets = f"streamid={KEY}&passphrase={PASSPHRASE.replace(' ', '%20')}"
            good = await studio.add_target(live_id, {"url": f"{address}?{secrets}"})
            wrong = await studio.add_target(
                live_id, {"url": f"{address}?passphrase=another-secret", "stream_key": KEY}
            )
            session = await connected(studio.live, key)
            tap = replica.open(session)
            shown = await until_state(studio, replica, live_id, good, "broadcasting")
            assert (shown["url"], shown["name"], shown["error"]) == (address, "127.0.0.1", None)
            for tag in tags:
                tap.offer(tag)
            await eventually(lambda: len(door.sinks[0].tags) > 20, timeout=60)
            lost = await until_state(studio, replica, live_id, wrong, "retrying")
            assert lost["error"] == "The passphrase is wrong."
            tap.close()
            await replica.round()
            await replica.close()
    told = repr([shown, lost, logs, await studio.live.store.read_stream(f"live-{live_id}")])
    stored = repr([(row.url, row.sealed) for row in await studio.rows.of_streams([live_id])])
    for secret in (KEY, PASSPHRASE, PASSPHRASE.replace(" ", "%20"), "another-secret"):
        assert secret not in told + stored


async def test_targets_by_srt_are_made_once(studio: Studio) -> None:
    live_id, _ = await studio.live.stream()
    path = f"{live_id}/simulcast-targets"
    body = {"url": "srt://a.example.com:9000?streamid=k-123&passphrase=p-0123456789"}
    made = await studio.ask("POST", path, json=body, also={"idempotency-key": "one"})
    assert made.status_code == 201, made.text
    assert made.json()["data"]["url"] == "srt://a.example.com:9000"
    again = await studio.ask("POST", path, json=body, also={"idempotency-key": "one"})
    assert again.json()["data"] == made.json()["data"]
    other = {"url": "srt://a.example.com:9000?streamid=k-123&passphrase=q-0123456789"}
    differs = await studio.ask("POST", path, json=other, also={"idempotency-key": "one"})
    assert differs.status_code == 409
    refused = await studio.ask("POST", path, json={"url": "srt://10.0.0.1:9000?streamid=k-123"})
    assert refused.status_code == 400
    assert all("k-123" not in each.text for each in (made, again, differs, refused))


async def test_without_libsrt_a_target_by_srt_is_refused_in_words(
    live: Live, database: Database, studio: Studio
) -> None:
    engine = create_engine(database.url("live"), size=2)
    without = Studio(live, engine)
    live_id, key = await live.stream()
    body = {"url": "srt://127.0.0.1:9000?streamid=k-123"}
    refused = await without.ask("POST", f"{live_id}/simulcast-targets", json=body)
    assert refused.status_code == 400
    error = refused.json()["error"]
    assert error["type"] == "srt_not_installed"
    assert "SRT is not installed here" in error["message"]
    # One that was made where libsrt is.
    made = await studio.add_target(live_id, body)
    replica = without.replica()
    replica.open(await connected(live, key))
    shown = await until_state(without, replica, live_id, made, "errored")
    assert "SRT is not installed here" in shown["error"]
    await replica.close()
    await engine.dispose()
