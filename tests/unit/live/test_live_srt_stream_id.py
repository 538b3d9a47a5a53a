"""The key in the stream id of an SRT caller."""

import pytest

from services.live.srt.stream_id import key_of


@pytest.mark.parametrize(
    ("stream_id", "key"),
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
def test_only_who_publishes_has_a_key(stream_id: str, key: str | None) -> None:
    assert key_of(stream_id) == key
