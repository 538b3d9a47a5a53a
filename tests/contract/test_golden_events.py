"""Every form in which an event was ever written can still be read.

A golden file is never edited: a changed schema gets a new version, a new file and an upcaster.
"""

import json
from pathlib import Path

import pytest

import shared.contracts
from shared.contracts import EVENT_TYPES, SCHEMA_VERSIONS, Event, encode, events, live_events
from shared.event_store.upcast import read_event

GOLDEN = Path(__file__).parent / "golden"
WRITTEN = [(name, v) for name, newest in SCHEMA_VERSIONS.items() for v in range(1, newest + 1)]


def golden(name: str, version: int) -> str:
    return (GOLDEN / f"{name}.v{version}.json").read_text()


def test_every_event_is_registered_and_exported() -> None:
    defined = {
        name
        for name, kind in {**vars(events), **vars(live_events)}.items()
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
    }
    assert defined - EVENT_TYPES.keys() == set(), "CATEGORY_EVENTS lacks them"
    assert defined - set(shared.contracts.__all__) == set(), "__init__.py lacks them"


@pytest.mark.parametrize(("name", "version"), WRITTEN)
def test_every_version_ever_written_is_read(name: str, version: int) -> None:
    assert isinstance(read_event(name, version, golden(name, version)), EVENT_TYPES[name])


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_the_present_form_is_pinned(name: str) -> None:
    text = golden(name, SCHEMA_VERSIONS[name])
    event = read_event(name, SCHEMA_VERSIONS[name], text)
    assert json.loads(encode(event)) == json.loads(text)


def test_no_golden_file_is_left_over() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == {f"{n}.v{v}.json" for n, v in WRITTEN}


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_events_hold_no_secret_and_no_address(name: str) -> None:
    fields = set(EVENT_TYPES[name].__struct_fields__)
    assert not fields & {"email", "password", "password_hash", "token", "refresh_token", "secret"}
