"""Who may have a video as a file, and what the file is called."""

from datetime import UTC, datetime
from email.message import Message
from urllib.parse import unquote

import pytest

from services.catalog.domain import (
    ChangeDownloads,
    NotYourVideo,
    Video,
    decide,
    evolve,
)
from services.catalog.http.downloads import content_disposition
from shared.contracts import DownloadsChanged

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_an_owner_says_who_may_have_it() -> None:
    video = Video(id="v", owner="ada")
    (event,) = decide(video, ChangeDownloads("ada", "anyone"))
    assert event == DownloadsChanged(video_id="v", downloads="anyone")
    after = evolve(video, event)
    assert decide(after, ChangeDownloads("ada", "anyone")) == []
    # Where the installation decides so far, nobody is said once, too.
    assert decide(video, ChangeDownloads("ada", "nobody")) != []
    with pytest.raises(NotYourVideo):
        decide(video, ChangeDownloads("bob", "anyone"))


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Bikes", "Bikes (720p).mp4"),
        ("Fahrräder & Ännchen", "Fahrräder & Ännchen (720p).mp4"),
        ("自転車", "自転車 (720p).mp4"),
        ('a"b\\c/../d', "a b c .. d (720p).mp4"),
        ("x\r\nSet-Cookie: a=b", "x Set-Cookie  a=b (720p).mp4"),
        ("evil\u202egpj.exe", "evil gpj.exe (720p).mp4"),
        ("...", "video (720p).mp4"),
        ("   ", "video (720p).mp4"),
        ("x" * 500, "x" * 100 + " (720p).mp4"),
    ],
)
def test_a_file_is_named_by_the_title(title: str, name: str) -> None:
    header = content_disposition(title, "720p")
    assert header.isascii()
    assert header.isprintable()
    message = Message()
    message["Content-Disposition"] = header
    assert message.get_content_disposition() == "attachment"
    assert unquote(header.rpartition("''")[2]) == name
    plain = header.partition('filename="')[2].partition('"')[0]
    assert plain.endswith(" (720p).mp4")
    assert header.count('"') == 2
