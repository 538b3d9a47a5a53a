"""What a chat consists of, as it is in Redis and as readers get it. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """``id`` begins with the time, in Unix milliseconds."""

    id: str
    user_id: str
    username: str
    text: str

    @property
    def at(self) -> float:
        """Unix seconds."""
        return int(self.id.partition("-")[0]) / 1000


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """The message ``message_id`` is gone."""

    id: str
    message_id: str


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """Whether viewers may write, and how often one may: once in ``slow_seconds``."""

    id: str
    open: bool
    slow_seconds: int


class Barred(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one person may write no more, or again; only they are told."""

    id: str
    user_id: str
    banned: bool


Entry = Message | Removed | Changed | Barred


def fields_of_removal(message_id: str) -> dict[str, str]:
    return {"kind": "removed", "message": message_id}


def fields_of_change(*, is_open: bool, slow_seconds: int) -> dict[str, str]:
    return {"kind": "changed", "open": str(int(is_open)), "slow": str(slow_seconds)}


def fields_of_bar(user_id: str, *, banned: bool) -> dict[str, str]:
    return {"kind": "barred", "user": user_id, "banned": str(int(banned))}


def read_entry(id_: bytes, fields: Mapping[bytes, bytes]) -> Entry | None:
    """An entry of the stream in Redis; None for one of another version."""
    entry = id_.decode()
    said = {name.decode(): value.decode() for name, value in fields.items()}
    match said.get("kind"):
        case "message":
            return Message(id=entry, user_id=said["user"], username=said["name"], text=said["text"])
        case "removed":
            return Removed(id=entry, message_id=said["message"])
        case "changed":
            return Changed(id=entry, open=said["open"] == "1", slow_seconds=int(said["slow"]))
        case "barred":
            return Barred(id=entry, user_id=said["user"], banned=said["banned"] == "1")
        case _:
            return None


def number(id_: str) -> tuple[int, int]:
    """An id of an entry, for comparisons. Raises ValueError for what is none."""
    at, _, count = id_.partition("-")
    return int(at), int(count or 0)


def shown(message: Message) -> dict[str, Any]:
    """A message as readers get it."""
    return {
        "id": message.id,
        "at": int(message.id.partition("-")[0]),
        "user_id": message.user_id,
        "username": message.username,
        "text": message.text,
    }


def frame(event: str, data: object, id_: str = "") -> bytes:
    """A Server-Sent Event. JSON has no line ends, so that no text can begin another field."""
    head = f"id: {id_}\nevent: {event}\n" if id_ else f"event: {event}\n"
    return b"%bdata: %b\n\n" % (head.encode(), msgspec.json.encode(data))


def frames_for(user_id: str | None, entries: Iterable[Entry]) -> bytes:
    """What a reader gets of them."""
    theirs = (each for each in entries if not isinstance(each, Barred) or each.user_id == user_id)
    return b"".join(map(frame_of, theirs))


def frame_of(entry: Entry) -> bytes:
    match entry:
        case Barred():
            return frame("ban", {"banned": entry.banned}, entry.id)
        case Message():
            return frame("message", shown(entry), entry.id)
        case Removed():
            return frame("removed", {"id": entry.message_id}, entry.id)
        case Changed():
            data = {"open": entry.open, "slow_seconds": entry.slow_seconds}
            return frame("settings", data, entry.id)
