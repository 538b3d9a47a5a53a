"""A line of the access log tells what was asked, and nothing that would let others ask it."""

import json

import pytest

from services.gateway.observability.access_log import AccessLog, Entry
from shared.http.grants import grant

VIDEO = "01a21b02-3840-7dd3-a142-3a4dabea09dd"
SESSION = "01a21b02-3840-7dd3-a142-3a4dabea09de"
GRANT = grant("a secret", VIDEO, SESSION, 1_800_000_000)
JWT = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


async def logged(path: str, *, local: bool) -> str:
    written: list[bytes] = []
    log = AccessLog(local, written.append)
    log.add(Entry(0.0, "GET", "r", path.encode(), 200, 0.1, 0, "192.0.2.1", "", "", b"t", b"s"))
    log.flush()
    return b"".join(written).decode()


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize(
    "path",
    [
        f"/media/{GRANT}/{VIDEO}/master.m3u8",
        f"/media/{GRANT}",
        f"//media//{GRANT}/{VIDEO}",
        f"/Media/{GRANT}/{VIDEO}",
        f"/media%2F{GRANT}%2F{VIDEO}",
        f"/api/v1/{GRANT}/x",
        f"/watch/{JWT}",
        f"/{GRANT}",
    ],
)
async def test_no_grant_and_no_token_is_logged(path: str, local: bool) -> None:
    line = await logged(path, local=local)
    assert GRANT not in line
    assert GRANT.partition(".")[2] not in line
    assert JWT not in line


async def test_a_short_grant_is_none_of_ours_but_hidden_too() -> None:
    assert "abc.def" not in await logged(f"/media/abc.def/{VIDEO}/x.m3u8", local=False)


@pytest.mark.parametrize(
    "path",
    [
        f"/media/public/{VIDEO}/v/720p/1.m4s",
        f"/api/v1/streaming/id/{VIDEO}",
        "/assets/index-B3xYz1Qk.js",
        "/",
        "/media/",
        "/media",
    ],
)
async def test_other_paths_are_whole(path: str) -> None:
    assert json.loads(await logged(path, local=False))["path"] == path
