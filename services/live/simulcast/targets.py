"""Rules of simulcast targets: addresses, states, when to try again. Pure."""

from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from shared.errors import Conflict, Detail, Forbidden, InvalidInput, NotFound
from shared.public_addresses import Reach, is_address

MAX_URL: Final = 500
MAX_KEY: Final = 500
MAX_NAME: Final = 100
Scheme = Literal["rtmp", "rtmps", "srt"]
_SCHEMES: Final[dict[str, Scheme]] = {"rtmp": "rtmp", "rtmps": "rtmps", "srt": "srt"}
# SRT has no port of its own.
_PORTS: Final[dict[Scheme, int]] = {"rtmp": 1935, "rtmps": 443}
# Seconds before each next try. A target that was reached for longer begins anew.
_DELAYS: Final = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 60.0)
PROVEN_SECONDS: Final = 60.0


class TargetNotFound(NotFound):
    code = "simulcast_target_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such simulcast target.")


class TooManyTargets(Forbidden):
    code = "quota_exceeded"


class TargetKeyReused(Conflict):
    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This idempotency key was used for a different simulcast target.")


class SrtNotInstalled(InvalidInput):
    code = "srt_not_installed"

    def __init__(self) -> None:
        problem = "must begin with rtmp:// or rtmps://: SRT is not installed here"
        super().__init__(f"The url {problem}.", [Detail("url", problem)])


class Place(msgspec.Struct, frozen=True):
    """Where a target is. ``application``: the path, which RTMP calls so; SRT has none."""

    scheme: Scheme
    host: str
    port: int
    application: str = ""

    @property
    def url(self) -> str:
        port = "" if self.port == _PORTS.get(self.scheme) else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        path = f"/{self.application}" if self.application else ""
        return f"{self.scheme}://{host}{port}{path}"


def read_place(url: str, reach: Reach) -> Place:
    """The place of an address, without a login, a query and a fragment. Raises InvalidInput.

    The addresses of a host's name are checked at each connection.
    """
    check_plain(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise refused("url", "is not an address") from None
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None:
        raise refused("url", "must begin with rtmp://, rtmps:// or srt://")
    if not host or parts.username is not None or parts.password is not None:
        raise refused("url", "must have a host, and no login")
    application = parts.path.strip("/")
    if scheme == "srt":
        if not port or application or parts.query or parts.fragment:
            raise refused("url", "must have a port, such as :9710, and no path")
    elif not application or parts.query or parts.fragment:
        raise refused("url", "must end in the name of an application, such as /live")
    if port == 0 or not _may_be_called(host, reach):
        raise refused("url", "must be reachable from the internet")
    return Place(scheme, host, port or _PORTS[scheme], application)


def check_plain(url: str) -> None:
    """Raises InvalidInput, which does not repeat it."""
    if len(url) > MAX_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise refused("url", f"must be plain text of at most {MAX_URL} characters")


def checked_key(key: str) -> str:
    """A target's stream key. Raises InvalidInput, which does not repeat it."""
    key = key.strip()
    if not key or len(key) > MAX_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise refused("stream_key", f"must be 1 to {MAX_KEY} plain characters")
    return key


def delay(failures: int) -> float | None:
    """Seconds to wait after so many failures in a row; None: give up."""
    return _DELAYS[failures - 1] if failures <= len(_DELAYS) else None


def shown_words(text: str, *secrets: str) -> str:
    """What a target has said, fit to be shown: short, printable, and without what is secret."""
    for secret in secrets:
        text = text.replace(secret, "…")
        # A key may carry parameters, and be repeated without them.
        text = text.replace(secret.partition("?")[0] or secret, "…")
    words = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(words.split())[:200]


def _may_be_called(host: str, reach: Reach) -> bool:
    try:
        return reach.allows(host, encrypted=True)
    except ValueError:
        return not is_address(host) and ("." in host.strip(".") or bool(reach.networks))


def refused(field: str, problem: str) -> InvalidInput:
    """What is wrong with a field."""
    return InvalidInput(f"The {field} {problem}.", [Detail(field, problem)])
