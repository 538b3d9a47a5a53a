"""Durations, links and tags of the API."""

import pytest

from services.catalog.api_models import Links, format_duration, to_tag
from shared.http.grants import check

SECRET = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (None, ""),
        (0, "0s"),
        (499, "0s"),
        (500, "1s"),
        (45_000, "45s"),
        (59_499, "59s"),
        (59_500, "1:00"),
        (60_000, "1:00"),
        (90_000, "1:30"),
        (605_000, "10:05"),
        (3_599_500, "1:00:00"),
        (3_723_000, "1:02:03"),
        (360_000_000, "100:00:00"),
    ],
)
def test_duration(milliseconds: int | None, shown: str) -> None:
    assert format_duration(milliseconds) == shown


def test_tags_that_differ_only_in_case_share_an_id() -> None:
    assert to_tag("Go Lang").id == to_tag("go  lang").id
    assert to_tag("go").id != to_tag("golang").id


def test_links_follow_the_caller_unless_an_address_is_configured() -> None:
    seen = Links(SECRET).for_request("http://127.0.0.1:8080")
    assert seen.media("public", "v/a b.m3u8") == "http://127.0.0.1:8080/media/public/v/a%20b.m3u8"
    fixed = Links(SECRET, "https://cinelog.test").for_request("http://127.0.0.1:8080")
    assert fixed.media("public", "v/a") == "https://cinelog.test/media/public/v/a"
    assert Links(SECRET).media("public", "v/a") == "/media/public/v/a"
    assert Links(SECRET).media("public", None) is None


@pytest.mark.parametrize("origin", ["javascript:alert(1)", "http://a/b", "http://a\nb", "", "a"])
def test_a_strange_origin_is_ignored(origin: str) -> None:
    assert Links(SECRET).for_request(origin).media("public", "v/a") == "/media/public/v/a"


def test_a_private_video_gets_a_grant_that_stays_the_same_for_a_while() -> None:
    links = Links(SECRET).for_request(None, "session-1")
    hour = 500_000 * 3600
    token = links.token("v", "private", hour)
    assert token == links.token("v", "private", hour + 3599)
    assert token != links.token("v", "private", hour + 3600)
    assert check(SECRET, token, "v", hour + 6 * 3600) == "session-1"
    assert not check(SECRET, token, "v", hour + 8 * 3600)
    assert not check(SECRET, token, "w", hour)
    assert links.token("v", "unlisted", hour) == "public"
    nobodys = Links(SECRET).token("v", "private", hour)
    assert check(SECRET, nobodys, "v", hour) is None
