"""Old schema versions are brought to the present one, step by step."""

from typing import Any

import pytest

from shared.contracts import DetailsChanged, UnknownEventType
from shared.event_store.upcast import read_event


def add_description(data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "description": ""}


def rename_title(data: dict[str, Any]) -> dict[str, Any]:
    return {"video_id": data["video_id"], "title": data["name"]}


UPCASTERS = {("DetailsChanged", 1): rename_title, ("DetailsChanged", 2): add_description}
CURRENT = {"DetailsChanged": 3}


def test_the_present_version_is_read_as_it_is() -> None:
    event = read_event("DetailsChanged", 1, b'{"video_id":"1","title":"t","description":"d"}')
    assert event == DetailsChanged(video_id="1", title="t", description="d")


def test_each_step_from_an_old_version_is_taken() -> None:
    event = read_event(
        "DetailsChanged", 1, '{"video_id":"1","name":"t"}', upcasters=UPCASTERS, current=CURRENT
    )
    assert event == DetailsChanged(video_id="1", title="t", description="")


@pytest.mark.parametrize(("name", "version"), [("NoSuchEvent", 1), ("DetailsChanged", 9)])
def test_what_this_build_does_not_know_is_refused(name: str, version: int) -> None:
    with pytest.raises(UnknownEventType):
        read_event(name, version, b"{}")


def test_a_missing_step_is_refused() -> None:
    with pytest.raises(UnknownEventType):
        read_event("DetailsChanged", 1, b"{}", upcasters={}, current=CURRENT)
