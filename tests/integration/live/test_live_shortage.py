"""Another layout while a publisher sends: a rendition goes, and comes back."""

from pathlib import Path

import pytest

from services.live.packaging.feed import Feed
from services.live.packaging.measures import Measures
from tests.integration.live.test_live_packaging import Kept, feed
from tests.support.flv_files import flv


async def test_a_rendition_goes_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = [False]
    monkeypatch.setattr(Measures, "too_slow", property(lambda _: slow[0]))
    monkeypatch.setattr(Measures, "relaxed", property(lambda _: not slow[0]))
    output = Kept()
    sink: Feed = feed(tmp_path, output, 90)
    tags = flv(tmp_path / "clip.flv", gop=25)
    seconds = (tags[-1].milliseconds - tags[0].milliseconds) / 1000
    for tag in tags:
        slow[0] = 1.1 < (tag.milliseconds - tags[0].milliseconds) / 1000 < 1.4
        await sink.take(tag)
        if tag.milliseconds - tags[0].milliseconds > 2500:
            # Not half a minute: the clip is sent faster than it was taken.
            sink._shortage._wait = 0.0
    await sink.close()
    assert seconds > 3.5
    assert [len(layout.rungs) for layout in output.layouts] == [2, 1, 2]
    assert sink.cpu_seconds == 0.0
