"""Mutated input of publishers: only the errors that are meant to be, and bounded memory."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.live.flv import amf0
from services.live.flv.tags import AUDIO, VIDEO, NotPlayable, Tag, content
from tests.support.live_fuzz import HANDSHAKE_END, KINDS, consume, run
from tests.support.rtmp_bytes import RECORDED

# 5,000 of the protocol that anybody may speak without a key, and 5,000 of all others together.
CASES = {"rtmp": 5000}


@pytest.mark.parametrize("kind", KINDS)
def test_mutated_input_does_no_harm(kind: str) -> None:
    run(CASES.get(kind, 1000), 20261127, (kind,))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_behind_the_handshake_do_no_harm(data: bytes) -> None:
    consume(RECORDED[:HANDSHAKE_END] + data)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_as_a_command_or_a_tag_do_no_harm(data: bytes) -> None:
    with suppress(amf0.MalformedAmf):
        amf0.read(data)
    for kind in (AUDIO, VIDEO):
        with suppress(NotPlayable):
            content(Tag(kind, 0, data))
