"""The streaming form parser: the same events wherever the network cuts the body."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.form_data import (
    MAX_FIELD_BYTES,
    MAX_OVERHEAD_BYTES,
    Field,
    FileEnded,
    FileStarted,
    FormParser,
    MalformedForm,
)
from shared.text_rules import MAX_DESCRIPTION

TYPE = "multipart/form-data; boundary=edge"


def part(disposition: str, content: bytes) -> bytes:
    return (
        f"--edge\r\nContent-Disposition: form-data; {disposition}\r\n\r\n".encode()
        + content
        + b"\r\n"
    )


def read(body: bytes, cuts: list[int]) -> tuple[list[object], bytes]:
    """Everything but the file's bytes, and the file's bytes."""
    parser = FormParser(TYPE, "video")
    events: list[object] = []
    content = b""
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    for start, end in pairwise(places):
        for event in parser.feed(body[start:end]):
            if isinstance(event, bytes):
                content += event
            else:
                events.append(event)
    parser.finish()
    return events, content


@given(
    content=st.binary(max_size=300).map(lambda data: data.replace(b"--edge", b"")),
    title=st.text(max_size=40).map(lambda text: text.replace("--edge", "")),
    file_first=st.booleans(),
    cuts=st.lists(st.integers(0, 700), max_size=12),
)
def test_cuts_change_nothing(content: bytes, title: str, file_first: bool, cuts: list[int]) -> None:
    field = part('name="title"', title.encode())
    file = part('name="video"; filename="a b.mp4"', content)
    body = (file + field if file_first else field + file) + b"--edge--\r\n"
    events, received = read(body, cuts)
    file_events = [FileStarted("a b.mp4"), FileEnded()]
    field_events = [Field("title", title)]
    assert events == (file_events + field_events if file_first else field_events + file_events)
    assert received == content


def test_the_longest_description_fits_whatever_its_script() -> None:
    description = "\U0001f3ac" * MAX_DESCRIPTION
    body = part('name="description"', description.encode())
    file = part('name="video"; filename="a"', b"x")
    events, _ = read(body + file + b"--edge--\r\n", [])
    assert events[0] == Field("description", description)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        b"--edge--",
        part('name="video"; filename="a"', b"x") + b"--edge",
        part('name="title"', b"x" * (MAX_FIELD_BYTES + 1)) + b"--edge--",
        part('name="title"', b"\xff") + b"--edge--",
        b"--edge\r\nX: y\r\n\r\nno disposition\r\n--edge--",
        part('name="title"', b"x") * 33 + b"--edge--",
        part('name="video"', b"not a file") + b"--edge--",
        part('name="image"; filename="a"', b"x") + b"--edge--",
        part('name="video"; filename="a"', b"x") * 2 + b"--edge--",
        b"x" * (MAX_OVERHEAD_BYTES + 1),
    ],
)
def test_malformed_forms(body: bytes) -> None:
    if body == b"--edge--":
        assert read(body, []) == ([], b"")
        return
    with pytest.raises(MalformedForm):
        read(body, [])


@pytest.mark.parametrize(
    "content_type",
    [None, "", "video/mp4", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 71],
)
def test_content_types_without_a_form(content_type: str | None) -> None:
    with pytest.raises(MalformedForm):
        FormParser(content_type, "video")
