"""What a video lacks of its source is noticed: a track, or its end."""

from pathlib import Path

import msgspec
import pytest

from tests.media.completeness import lacking
from tests.media.made_files import FILES
from tests.media.pipeline import process
from tests.media.source_streams import source_streams


async def test_a_lost_track_and_a_lost_end_are_noticed(tmp_path: Path) -> None:
    source = FILES["two sounds"](tmp_path)
    made = await process(source, tmp_path / "media")
    streams = source_streams(source)
    assert (streams.pictures, streams.sounds) == ((0,), (1, 2))
    assert streams.stated == pytest.approx(3, abs=0.1)
    assert lacking(streams, made) == []

    planned = made.planned
    one = msgspec.structs.replace(planned, audio=planned.audio[:1])
    state = msgspec.structs.replace(made.state, planned=one)
    assert len(lacking(streams, msgspec.structs.replace(made, state=state))) == 1
    assert len(lacking(msgspec.structs.replace(streams, pictures=(0, 3)), made)) == 1
    assert len(lacking(msgspec.structs.replace(streams, stated=6.0), made)) == 1

    playlist = made.playlist("audio-0")
    text = playlist.read_text()
    playlist.write_text(text.replace("#EXTINF:", "#EXTINF:0.5,"))
    assert len(lacking(streams, made)) == 1
