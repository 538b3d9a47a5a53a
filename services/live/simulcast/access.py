"""What targets want of those that send to them: a stream key, or by SRT a stream id and a
passphrase. Pure."""

from typing import Final, Self
from urllib.parse import unquote

import msgspec

from services.live.simulcast.targets import Place, check_plain, checked_key, read_place, refused
from shared.public_addresses import Reach

_MAX_STREAM_ID: Final = 512
_PASSPHRASE: Final = range(10, 80)
_PARAMETERS: Final = ("streamid", "passphrase", "mode")


class Access(msgspec.Struct, frozen=True):
    """``stream_id`` may be empty."""

    stream_id: str
    passphrase: str | None

    def __repr__(self) -> str:
        return "Access(***)"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of what ``text`` made."""
        return msgspec.json.decode(text, type=cls)

    def text(self) -> str:
        """To be encrypted."""
        return msgspec.json.encode(self).decode()


def read_target(url: str, stream_key: str, reach: Reach) -> tuple[Place, str]:
    """The place of a target as its owner names it, and what is to be encrypted: the stream key, or
    the text of an Access. Raises InvalidInput, which repeats no secret."""
    check_plain(url)
    if not url.lower().startswith("srt:"):
        return read_place(url, reach), checked_key(stream_key)
    address, _, query = url.partition("?")
    return read_place(address, reach), read_access(query, stream_key).text()


def read_access(query: str, stream_key: str) -> Access:
    """Of an address's query, and of the stream key, which is the stream id where the query has
    none. Raises InvalidInput, which repeats neither."""
    said: dict[str, str] = {}
    for pair in query.split("&") if query else ():
        name, _, value = pair.partition("=")
        if name not in _PARAMETERS or name in said:
            raise refused("url", "may have streamid, passphrase and mode=caller, each once")
        # A plus is a plus, as programs that send by SRT have it.
        said[name] = unquote(value)
    if said.get("mode", "caller") != "caller":
        raise refused("url", "must have mode=caller, or no mode")
    stream_id = said.get("streamid", "")
    if stream_key.strip():
        if stream_id:
            raise refused("stream_key", "must be empty where the url has a streamid")
        stream_id = checked_key(stream_key)
    if len(stream_id.encode()) > _MAX_STREAM_ID or not stream_id.isprintable():
        raise refused("url", f"must have a streamid of at most {_MAX_STREAM_ID} plain characters")
    passphrase = said.get("passphrase") or None
    if passphrase is not None and not (
        len(passphrase.encode()) in _PASSPHRASE and passphrase.isprintable()
    ):
        raise refused("url", "must have a passphrase of 10 to 79 plain characters, or none")
    return Access(stream_id, passphrase)
