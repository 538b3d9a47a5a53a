"""The tables of live streams, sessions and plans, as handlers need them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal, Protocol

import msgspec

from services.live.domain.plan import Plan
from shared.contracts import Visibility
from shared.errors import Conflict, Forbidden

QUIET_SECONDS: Final = 6.0
"""An owner that has not reported for so long is taken for dead."""

MOST_OPEN: Final = 5_000
"""So many open sessions are read in one round; an installation has far fewer."""


class TooManyStreams(Forbidden):
    """The account has as many live streams as it is allowed."""

    code = "quota_exceeded"


class TooManyPlans(Forbidden):
    """The account has as many planned lives as it is allowed."""

    code = "quota_exceeded"


class KeyReused(Conflict):
    """The idempotency key was used for another live stream."""

    code = "idempotency_key_reused"


class StreamRow(msgspec.Struct, frozen=True, kw_only=True):
    """A live stream's row. ``fingerprint``: of the request that made it, if it had a key."""

    id: str
    user_id: str
    key_hash: str
    created_at: datetime
    fingerprint: str | None = None


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A session's row. ``quiet_seconds``: since its owner last reported (``beat_at``), None if it
    never did; ``silent_seconds``: since media last arrived; ``age_seconds``: since it was opened.
    ``closing``: why its publisher has to be closed; once it has ended, why."""

    video_id: str
    live_id: str
    user_id: str
    title: str
    phase: Literal["open", "ended", "closed"]
    epoch: int
    held: bool
    opened_at: datetime
    address: str | None = None
    replica: str | None = None
    health: str | None = None
    beat_at: datetime | None = None
    quiet_seconds: float | None = None
    silent_seconds: float | None = None
    age_seconds: float = 0.0
    closing: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    peak_viewers: int | None = None
    total_viewers: int | None = None

    @property
    def end_reason(self) -> str | None:
        """Why the session has ended; None while it runs."""
        return None if self.ended_at is None else self.closing


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner says of itself and of the publisher's media. ``held``: it may still add
    something. ``health`` is JSON; None leaves it as it is."""

    sending: bool
    held: bool
    address: str
    replica: str
    health: str | None = None


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """What an owner learns when it reports; ``closing``: why to close the publisher."""

    epoch: int
    closing: str | None


class StreamRows(Protocol):
    """The table of live streams."""

    async def add(self, row: StreamRow, most: int) -> StreamRow:
        """The row that is there afterwards: an earlier one of this id, if there is any.

        Raises TooManyStreams where the user has ``most`` others.
        """
        ...

    async def get(self, live_id: str) -> StreamRow | None: ...
    async def by_key(self, key_hash: str) -> StreamRow | None: ...
    async def of_user(self, user_id: str) -> list[StreamRow]: ...

    async def replace_key(self, live_id: str, key_hash: str, closing: str) -> None:
        """From now on, only the new key is known; ``closing`` is for a running publisher."""
        ...

    async def remove(self, live_id: str) -> None:
        """Its key is unknown from now on. Sessions keep their rows."""
        ...

    async def page(self, after: str, limit: int) -> list[StreamRow]:
        """The rows after an id, in order."""
        ...


class PlanRow(msgspec.Struct, frozen=True, kw_only=True):
    """A planned live. ``wanted``: it is not in the log yet, and nobody sees it. ``running``: the
    video of the stream's session that runs."""

    id: str
    live_id: str
    user_id: str
    username: str
    title: str
    description: str
    visibility: Visibility
    scheduled_at: datetime
    state: Literal["wanted", "planned", "begun", "cancelled"] = "wanted"
    announced: bool = False
    video_id: str | None = None
    running: str | None = None


class PlanRows(Protocol):
    """The table of planned lives, which follows the log."""

    async def reserve(self, row: PlanRow, most: int) -> None:
        """Add a wanted plan. Raises TooManyPlans where ``most`` other streams of the user have one.

        What was cancelled of the stream before goes.
        """
        ...

    async def touch(self, live_id: str) -> None:
        """The stream's plan is about to change in the log."""
        ...

    async def store(self, plan: Plan, *, left: bool = False) -> None:
        """A change is in the log, which has the plan like this. ``left``: so are all others that
        were under way."""
        ...

    async def drop(self, plan_id: str) -> None:
        """The log does not have this plan, or has another one by now."""
        ...

    async def forget(self, live_id: str) -> None:
        """The stream is deleted."""
        ...

    async def get(self, plan_id: str) -> PlanRow | None: ...

    async def upcoming(self, user_id: str | None, limit: int) -> list[PlanRow]:
        """Public ones, of one user or of all, the soonest first."""
        ...

    async def due(self, now: datetime, limit: int, without: Sequence[str]) -> list[PlanRow]:
        """Those about which something is to be said: they begin soon, run, or were missed."""
        ...

    async def left(self, limit: int, without: Sequence[str]) -> list[PlanRow]:
        """Those whose change was begun by a process that died."""
        ...


class SessionRows(Protocol):
    """The table of sessions. Every change is one transaction."""

    async def add(self, video_id: str, live_id: str, user_id: str, title: str, most: int) -> None:
        """Raises Refused (too_many) where the user has ``most`` open sessions."""
        ...

    async def claim(self, video_id: str, key_hash: str, address: str, replica: str) -> None:
        """Hold the session for this replica. Raises Refused: already_live while another
        publisher sends, unknown_key if the key was replaced meanwhile."""
        ...

    async def give_back(self, video_id: str, replica: str) -> None:
        """Undo a claim that led to no connection. An owner of before that lives holds the session
        again with its next report."""
        ...

    async def own(
        self,
        video_id: str,
        epoch: int,
        address: str,
        replica: str,
        started_at: datetime | None,
    ) -> None:
        """The claim's epoch is in the log: reports of older ones are refused from now on.
        ``started_at``: as the log has it; an owner of before may not have noted it."""
        ...

    async def beat(self, video_id: str, epoch: int, report: Report) -> Beat | None:
        """None for a session that another one owns, or to which nobody adds anything any more.

        What others have noted of the owner meanwhile, such as a claim that failed, is as it says.
        """
        ...

    async def started(self, video_id: str, at: datetime) -> None: ...

    async def release(self, video_id: str, epoch: int) -> None:
        """The owner adds nothing more, as long as it does not connect again."""
        ...

    async def note_viewers(self, video_id: str, now: int, total: int) -> None:
        """A session has so many viewers now, and has had so many. The most of each is kept."""
        ...

    async def close_publisher(self, video_id: str, reason: str) -> None: ...

    async def set_phase(self, video_id: str, phase: Literal["ended", "closed"]) -> None: ...
    async def get(self, video_id: str) -> SessionRow | None: ...
    async def of_stream(self, live_id: str, limit: int) -> list[SessionRow]: ...
    async def running(self, live_ids: Sequence[str]) -> dict[str, SessionRow]:
        """The open session of each of these streams that has one."""
        ...

    async def in_phase(
        self, phase: Literal["open", "ended"], limit: int, without: Sequence[str]
    ) -> list[SessionRow]:
        """The oldest first; those with the ids ``without`` are left out."""
        ...
