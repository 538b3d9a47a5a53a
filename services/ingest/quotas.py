"""How much an account may store, open and have encoded. Pure."""

from typing import Final, Literal

import msgspec

from services.ingest.domain import readable_size
from shared.errors import Detail, Forbidden

AccountRole = Literal["user", "trusted"]
MINUTE_MS: Final = 60_000


class QuotaExceeded(Forbidden):
    """The account uses all that it is allowed. ``details`` say what it uses and what is allowed."""

    code = "quota_exceeded"


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What an account is allowed; None where there is no limit.

    ``bytes``: sources of its videos, the lengths of its open uploads, segments of its lives.
    ``open_uploads``:
    resumable and direct uploads that are not complete, and complete partial ones.
    ``encode_minutes``: of sources, planned since midnight (UTC), but for those that failed; as
    many may.
    """

    bytes: int | None = None
    videos: int | None = None
    open_uploads: int | None = None
    encode_minutes: int | None = None

    @property
    def deleted_bytes(self) -> int | None:
        """What may still be stored of deleted videos: as much again. A deletion makes room at once,
        and who uploads and deletes again and again holds twice the quota at most."""
        return self.bytes

    def times(self, factor: int) -> "Quota":
        """The same, multiplied."""
        return Quota(
            **{
                name: None if allowed is None else factor * allowed
                for name, allowed in msgspec.structs.asdict(self).items()
            }
        )


class Quotas(msgspec.Struct, frozen=True):
    """The quota of each role."""

    user: Quota = Quota()
    trusted: Quota = Quota()

    def of(self, role: AccountRole) -> Quota:
        return self.trusted if role == "trusted" else self.user


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an account uses, counted as in ``Quota``. ``videos`` includes uploads of videos.

    ``lives`` and ``live_bytes`` are part of ``videos`` and ``bytes``, ``deleted_bytes`` are not.
    """

    bytes: int = 0
    videos: int = 0
    open_uploads: int = 0
    encode_minutes: int = 0
    lives: int = 0
    live_bytes: int = 0
    deleted_bytes: int = 0


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """What a request adds. ``bytes`` may be 0 where the length is not known yet.

    ``deleted_bytes``: whatever is added may be deleted, so that some must be left.
    """

    bytes: int = 0
    videos: int = 0
    open_uploads: int = 0
    deleted_bytes: int = 1


_WORDS: Final = {
    "bytes": "stored bytes",
    "videos": "videos",
    "open_uploads": "open uploads",
    "encode_minutes": "minutes of video a day",
    "deleted_bytes": "bytes of deleted videos that are still stored",
}


def minutes_of(planned_ms: int, failed_ms: int, allowed: int | None) -> int:
    """The minutes of a day that count: those planned, without those that failed.

    As many as are allowed may fail besides; further ones count, because they cost as much.
    """
    beyond = 0 if allowed is None else max(0, failed_ms - allowed * MINUTE_MS)
    return (planned_ms + beyond) // MINUTE_MS


def check_quota(quota: Quota, usage: Usage, adding: Addition) -> None:
    """Raises QuotaExceeded for what would be too much.

    Minutes are counted once a video is planned, so a day's last video may exceed them.
    """
    exceeded = [
        name
        for name in ("bytes", "videos", "open_uploads", "deleted_bytes")
        if _exceeds(getattr(quota, name), getattr(usage, name), getattr(adding, name))
    ]
    minutes = quota.encode_minutes
    if adding.videos and minutes is not None and usage.encode_minutes >= minutes:
        exceeded.append("encode_minutes")
    if exceeded:
        raise QuotaExceeded(
            f"This account has used its {_WORDS[exceeded[0]]}.",
            [
                Detail(
                    name,
                    f"{shown(name, getattr(usage, name))} used, "
                    f"{shown(name, getattr(quota, name))} allowed",
                )
                for name in exceeded
            ],
        )


def live_refusal(quota: Quota, usage: Usage, *, begins: bool) -> str | None:
    """Why an account may not go on with a live, in a sentence; None if it may.

    ``begins``: the live is another video. How long it will be is not known, so one begins while
    any byte is left, and ends once none is.
    """
    adding = Addition(bytes=1, videos=int(begins))
    for name in ("bytes", "videos", "deleted_bytes"):
        allowed, used = getattr(quota, name), getattr(usage, name)
        if allowed is not None and _exceeds(allowed, used, getattr(adding, name)):
            amounts = f"{shown(name, used)} used, {shown(name, allowed)} allowed"
            return f"The account has used its {_WORDS[name]}: {amounts}."
    return None


def shown(name: str, amount: int) -> str:
    """An amount for people."""
    return readable_size(amount) if name.endswith("bytes") else str(amount)


def _exceeds(allowed: int | None, used: int, added: int) -> bool:
    if allowed is None:
        return False
    return used + added > allowed
