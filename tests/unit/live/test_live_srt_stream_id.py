"""The name in the stream id of an SRT caller."""

import pytest

from services.live.srt.stream_id import resource_of


@pytest.mark.parametrize(
    ("stream_id", "name"),
    [
        ("abc", "abc"),
        ("#!::r=abc,m=publish", "abc"),
        ("#!::u=mara,r=abc", "abc"),
        ("#!::m=publish,r=a=b", "a=b"),
        ("", None),
        ("#!::", None),
        ("#!::m=publish", None),
        ("#!::r=abc,m=request", None),
        ("#!::r=abc,m=bidirectional", None),
        ("#!::r=abc,r=other", None),
        ("#!::r", None),
        ("k" * 513, None),
    ],
)
def test_only_who_publishes_names_something(stream_id: str, name: str | None) -> None:
    assert resource_of(stream_id) == name
