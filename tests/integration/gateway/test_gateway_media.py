"""Media straight from a real S3 server."""

import time
from collections.abc import AsyncIterator

import httpx
import pytest

from shared.http.grants import grant
from shared.moved_media import write_note
from tests.integration.gateway.rig import (
    SECRET,
    Clock,
    Peer,
    Request,
    Service,
    running_gateway,
    storage_settings,
)
from tests.support.buckets import Buckets

VIDEO = "0190b7a8-1111-7000-8000-000000000001"
SESSION = "01a21b02-3840-7dd3-a142-3a4dabea09dd"
SEGMENT = bytes(range(256)) * 2000
MASTER = b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\na1/240p.m3u8\n"
ENGLISH = {
    "language": "en",
    "kind": "captions",
    "label": "English",
    "object": {"key": f"{VIDEO}/captions/en-1.vtt", "size": 9, "sha256": "00"},
}
IMMUTABLE = "public, max-age=31536000, immutable"


class Catalog:
    """Answers visibility questions as the catalog does."""

    def __init__(self, service: Service) -> None:
        self.visibility: dict[str, str] = {VIDEO: "public"}
        self.ended: set[str] = set()
        self.captions: list[dict[str, object]] = []
        self.questions = 0
        self.down = False
        self.wrote = ""
        service.handler = self.answer

    async def answer(self, request: Request, peer: Peer) -> None:
        self.questions += 1
        if self.down:
            raise ConnectionError
        if not request.target.startswith("/internal/media/"):
            await peer.answer(200, {"success": True}, x_cinelog_wrote=self.wrote)
            return
        video, _, session = request.target.removeprefix("/internal/media/").partition("?session=")
        found = self.visibility.get(video)
        if found is None or session in self.ended:
            await peer.answer(404, {"success": False, "error": {}})
        else:
            access = {"visibility": found, "duration_ms": 9500, "captions": self.captions}
            await peer.answer(200, access)


@pytest.fixture
def catalog(service: Service) -> Catalog:
    return Catalog(service)


@pytest.fixture
def settings(s3: Buckets) -> dict[str, str]:
    """A video's files in the media bucket, and how to reach it."""
    client = s3.client()

    def put(name: str, body: bytes, **extra: str) -> None:
        client.put_object(Bucket=s3.media, Key=f"{VIDEO}/{name}", Body=body, **extra)

    put("a1/240p/all-0a1b2c3d4e5f.mp4", b"init" + SEGMENT)
    pieces = (("init-00112233aabb.mp4", 4), ("00000-445566778899.mp4", len(SEGMENT)))
    put("a1/240p/moved.json", write_note("a1/240p/all-0a1b2c3d4e5f.mp4", pieces))
    put("a1/240p.m3u8", b"#EXTM3U\n#EXT-X-ENDLIST\n")
    put("master.m3u8", MASTER, CacheControl="public, max-age=1")
    put("manifest.mpd", b"<MPD><Period></Period></MPD>")
    put("v/720p/1.m4s", SEGMENT, ContentType="text/html", CacheControl=IMMUTABLE)
    put("poster.webp", b"RIFF")
    put("notes.html", b"<script>alert(1)</script>", ContentType="text/html")
    return storage_settings(s3)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def media(
    service: Service, redis_url: str, settings: dict[str, str], catalog: Catalog, clock: Clock
) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        running_gateway(service, redis_url, clock=clock, **settings) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        yield client


def path(name: str, token: str = "public", video: str = VIDEO) -> str:
    return f"/media/{token}/{video}/{name}"


async def test_a_segment_comes_whole_with_its_own_type_and_a_long_life(media: httpx.AsyncClient):
    answer = await media.get(path("v/720p/1.m4s"))
    assert answer.status_code == 200
    assert answer.content == SEGMENT
    assert answer.headers["content-type"] == "video/iso.segment"
    assert answer.headers["cache-control"] == IMMUTABLE
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not [name for name in answer.headers if name.startswith(("x-amz", "x-seaweed"))]


@pytest.mark.parametrize(
    ("name", "kind", "life"),
    [
        ("master.m3u8", "application/vnd.apple.mpegurl", "public, max-age=1"),
        ("poster.webp", "image/webp", IMMUTABLE),
    ],
)
async def test_types_and_lives(media: httpx.AsyncClient, name: str, kind: str, life: str):
    answer = await media.get(path(name))
    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"] == life


async def test_playlists_name_captions_that_their_objects_do_not(
    media: httpx.AsyncClient, catalog: Catalog
) -> None:
    catalog.captions = [ENGLISH]
    master = await media.get(path("master.m3u8"))
    assert 'SUBTITLES="subs"' in master.text
    assert 'URI="captions/en.m3u8"' in master.text
    assert master.headers["cache-control"] == "public, max-age=2"
    again = {"if-none-match": master.headers["etag"]}
    assert (await media.get(path("master.m3u8"), headers=again)).status_code == 304
    head = await media.head(path("master.m3u8"))
    assert head.headers["content-length"] == str(len(master.content))
    playlist = await media.get(path("captions/en.m3u8"))
    assert "#EXTINF:9.500,\nen-1.vtt\n" in playlist.text
    assert (await media.get(path("captions/de.m3u8"))).status_code == 404
    manifest = await media.get(path("manifest.mpd"))
    assert "<BaseURL>captions/en-1.vtt</BaseURL>" in manifest.text
    assert manifest.headers["content-type"] == "application/dash+xml"


async def test_captions_of_a_private_video_need_its_grant(
    media: httpx.AsyncClient, catalog: Catalog
) -> None:
    catalog.captions = [ENGLISH]
    catalog.visibility[VIDEO] = "private"
    assert (await media.get(path("captions/en.m3u8"))).status_code == 404
    token = grant(SECRET, VIDEO, SESSION, int(time.time()) + 60)
    master = await media.get(path("master.m3u8", token))
    assert 'URI="captions/en.m3u8"' in master.text
    assert master.headers["cache-control"] == "private, max-age=2"
    assert (await media.get(path("captions/en.m3u8", token))).status_code == 200


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-99", 0, 99), ("bytes=1000-", 1000, 511_999), ("bytes=-10", 511_990, 511_999)],
)
async def test_ranges(media: httpx.AsyncClient, asked: str, start: int, end: int):
    answer = await media.get(path("v/720p/1.m4s"), headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == SEGMENT[start : end + 1]
    assert answer.headers["content-range"] == f"bytes {start}-{end}/512000"


async def test_a_range_beyond_the_end_is_told_so_in_the_envelope(media: httpx.AsyncClient):
    answer = await media.get(path("v/720p/1.m4s"), headers={"range": "bytes=999999-"})
    assert answer.status_code == 416
    assert answer.json()["error"]["code"] == 416


@pytest.mark.parametrize(
    "condition",
    [
        ("if-modified-since", "yesterday"),
        ("if-modified-since", "Mon, 99 Feb 2026 99:99:99 GMT"),
        ("if-modified-since", "1" * 4000),
        ("if-none-match", "no tag"),
        ("if-none-match", '"a",' * 1000 + '"b'),
        ("range", "bytes=0-0,2-2"),
        ("range", "bytes=" + "9" * 4000 + "-"),
        ("range", "bytes=-"),
        ("range", "lines=0-1"),
    ],
    ids=lambda condition: f"{condition[0]}: {condition[1][:20]}",
)
async def test_what_is_no_condition_and_no_range_counts_for_nothing(
    media: httpx.AsyncClient, condition: tuple[str, str]
):
    answer = await media.get(path("v/720p/1.m4s"), headers=[condition])
    assert (answer.status_code, answer.content) == (200, SEGMENT)


async def test_what_is_older_than_the_client_knows_is_not_sent_again(media: httpx.AsyncClient):
    first = await media.get(path("v/720p/1.m4s"))
    since = {"if-modified-since": first.headers["last-modified"]}
    assert (await media.get(path("v/720p/1.m4s"), headers=since)).status_code == 304


async def test_what_the_client_has_is_not_sent_again(media: httpx.AsyncClient):
    first = await media.get(path("v/720p/1.m4s"))
    again = await media.get(path("v/720p/1.m4s"), headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


async def test_a_head_tells_the_size(media: httpx.AsyncClient):
    for _ in range(2):
        answer = await media.head(path("v/720p/1.m4s"))
        assert (answer.status_code, answer.headers["content-length"]) == (200, "512000")


@pytest.mark.parametrize(
    "name",
    ["missing.m4s", "notes.html", "v", "x/", "1.m4s?versionId=x&response-content-type=text/html"],
)
async def test_what_is_not_media_does_not_exist_and_s3_says_nothing(
    media: httpx.AsyncClient, name: str
):
    answer = await media.get(path(name))
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found"
    assert "xml" not in answer.text.lower()


async def test_a_private_video_needs_a_grant(media: httpx.AsyncClient, catalog: Catalog):
    catalog.visibility = {VIDEO: "private"}
    assert (await media.get(path("master.m3u8"))).status_code == 404
    token = grant(SECRET, VIDEO, SESSION, int(time.time()) + 60)
    granted = await media.get(path("master.m3u8", token))
    assert granted.status_code == 200
    assert granted.headers["cache-control"] == "private, max-age=1"
    segment = await media.get(path("v/720p/1.m4s", token))
    assert segment.headers["cache-control"].startswith("private")


@pytest.mark.parametrize("before", ["private", "draft"])
async def test_what_is_published_plays_within_a_second(
    media: httpx.AsyncClient, catalog: Catalog, clock: Clock, before: str
) -> None:
    catalog.visibility = {VIDEO: before}
    assert (await media.get(path("master.m3u8"))).status_code == 404
    catalog.visibility = {VIDEO: "public"}
    clock.now += 1
    assert (await media.get(path("master.m3u8"))).status_code == 200


@pytest.mark.parametrize(
    ("method", "route", "wrote"),
    [
        ("PATCH", f"/api/v1/streaming/{VIDEO}/visibility", f"video-{VIDEO}@3"),
        ("DELETE", "/api/v1/users/u", "user-u@9"),
    ],
)
async def test_what_was_hidden_through_this_gateway_is_hidden_at_once(
    media: httpx.AsyncClient, catalog: Catalog, method: str, route: str, wrote: str
) -> None:
    assert (await media.get(path("master.m3u8"))).status_code == 200
    catalog.visibility, catalog.wrote = {VIDEO: "private"}, wrote
    assert (await media.request(method, route)).status_code == 200
    assert (await media.get(path("master.m3u8"))).status_code == 404


async def test_a_deleted_video_is_refused_while_its_objects_are_still_there(
    media: httpx.AsyncClient, catalog: Catalog, clock: Clock
):
    catalog.visibility = {VIDEO: "private"}
    token = grant(SECRET, VIDEO, SESSION, int(time.time()) + 600)
    assert (await media.get(path("master.m3u8", token))).status_code == 200
    catalog.visibility = {}
    clock.now += 5
    for name in ("master.m3u8", "v/720p/1.m4s", "poster.webp"):
        assert (await media.get(path(name, token))).status_code == 404
        assert (await media.get(path(name))).status_code == 404


async def test_a_grant_ends_with_its_session(
    media: httpx.AsyncClient, catalog: Catalog, clock: Clock
):
    catalog.visibility = {VIDEO: "private"}
    other = SESSION.replace("d", "e")
    mine = grant(SECRET, VIDEO, SESSION, int(time.time()) + 600)
    theirs = grant(SECRET, VIDEO, other, int(time.time()) + 600)
    for token in (mine, theirs):
        assert (await media.get(path("v/720p/1.m4s", token))).status_code == 200
    catalog.ended.add(SESSION)
    clock.now += 1
    assert (await media.get(path("v/720p/1.m4s", mine))).status_code == 404
    assert (await media.get(path("v/720p/1.m4s", theirs))).status_code == 200
    # A player of an open session goes on for hours.
    clock.now += 500
    assert (await media.get(path("v/720p/1.m4s", theirs))).status_code == 200


async def test_a_grant_is_enough_while_the_catalog_is_away(
    media: httpx.AsyncClient, catalog: Catalog
):
    catalog.down = True
    token = grant(SECRET, VIDEO, SESSION, int(time.time()) + 60)
    assert (await media.get(path("master.m3u8", token))).status_code == 200
    assert (await media.get(path("master.m3u8"))).status_code == 502


async def test_a_grant_opens_one_video_until_it_expires(media: httpx.AsyncClient):
    soon = int(time.time()) + 60
    for token in (
        grant(SECRET, "another-video", SESSION, soon),
        grant("another-secret-0123456789-abcdefghij", VIDEO, SESSION, soon),
        grant(SECRET, VIDEO, SESSION, int(time.time()) - 1),
        grant(SECRET, VIDEO, SESSION, soon)[:-1],
        "Public",
        "x",
    ):
        assert (await media.get(path("master.m3u8", token))).status_code == 404


async def test_the_catalog_is_asked_every_five_seconds_and_missed_for_a_minute(
    media: httpx.AsyncClient, catalog: Catalog, clock: Clock
):
    for _ in range(5):
        assert (await media.get(path("poster.webp"))).status_code == 200
    assert catalog.questions == 1
    clock.now += 5
    assert (await media.get(path("poster.webp"))).status_code == 200
    assert catalog.questions == 2
    catalog.down = True
    clock.now += 59
    assert (await media.get(path("poster.webp"))).status_code == 200
    answer = await media.get(path("poster.webp", video="another-video"))
    assert answer.status_code == 502
    clock.now += 1
    assert (await media.get(path("poster.webp"))).status_code == 502


async def test_a_cdn_serves_public_videos_if_it_is_configured(
    service: Service, redis_url: str, settings: dict[str, str], catalog: Catalog
):
    base = "https://cdn.example/media/"
    async with (
        running_gateway(service, redis_url, media_redirect_base=base, **settings) as rig,
        httpx.AsyncClient(base_url=rig.url, trust_env=False) as client,
    ):
        answer = await client.get(path("master.m3u8"))
        assert answer.status_code == 307
        assert answer.headers["location"] == f"https://cdn.example/media/{VIDEO}/master.m3u8"
        token = grant(SECRET, VIDEO, SESSION, int(time.time()) + 60)
        assert (await client.get(path("master.m3u8", token))).status_code == 200
        catalog.visibility = {}
        assert (await client.get(path("x.m4s", video="gone"))).status_code == 404
        page = await client.get("/")
        assert "https://cdn.example" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        (None, 200, 0, 511_999),
        ("bytes=0-", 206, 0, 511_999),
        ("bytes=99015-199999", 206, 99_015, 199_999),
        ("bytes=500000-9999999", 206, 500_000, 511_999),
        ("bytes=-10", 206, 511_990, 511_999),
    ],
)
async def test_what_compaction_has_replaced_plays_out_of_the_joined_object(
    media: httpx.AsyncClient, asked: str | None, status: int, first: int, last: int
):
    headers = {} if asked is None else {"range": asked}
    answer = await media.get(path("a1/240p/00000-445566778899.mp4"), headers=headers)
    assert answer.status_code == status
    assert answer.content == SEGMENT[first : last + 1]
    extent = f"bytes {first}-{last}/512000" if asked else None
    assert answer.headers.get("content-range") == extent
    assert answer.headers["content-length"] == str(last + 1 - first)


async def test_other_pieces_and_playlists_that_are_gone(media: httpx.AsyncClient):
    assert (await media.get(path("a1/240p/init-00112233aabb.mp4"))).content == b"init"
    early = await media.get(path("a1/240p-early.m3u8"))
    assert (early.status_code, early.content) == (200, b"#EXTM3U\n#EXT-X-ENDLIST\n")
    behind = {"range": "bytes=512000-"}
    for name, headers in (
        ("a1/240p/00001-445566778899.mp4", {}),
        ("a1/360p/00000-445566778899.mp4", {}),
        ("a1/240p/00000-445566778899.mp4", behind),
        ("a1/360p-early.m3u8", {}),
        ("a1/240p/moved.json", {}),
    ):
        assert (await media.get(path(name), headers=headers)).status_code == 404
