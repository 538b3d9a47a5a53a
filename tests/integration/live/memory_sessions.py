"""Sessions in memory: the real decider, without a database."""

from collections.abc import Sequence

from services.live.domain.session import (
    Connect,
    Disconnect,
    End,
    Fenced,
    LiveSession,
    MakePoster,
    Publish,
    Reconnect,
    Record,
    decide,
    evolve,
    initial,
)
from services.live.ports import Credential, Entrance, Health, Publisher, Refused, Session
from shared.contracts import Event, LivePosterMade, LivePublished, LiveRecorded, new_id


class MemorySessions:
    """One stream with the key ``good``."""

    def __init__(self) -> None:
        self.video_id = new_id()
        self.events: list[Event] = []
        self.state: LiveSession = initial()
        self.health: Health | None = None
        self.sending: bool | None = None
        self.stop: str | None = None
        self.held = False
        """Whether an owner may add something, also to a session that has ended."""
        self.address: str | None = None
        self.read = 0
        """How many events were read."""

    def _apply(self, command: object) -> None:
        for event in decide(self.state, command):  # type: ignore[arg-type]
            self.events.append(event)
            self.state = evolve(self.state, event)

    async def connect(
        self,
        credential: Credential,
        publisher: Publisher,
        entrance: Entrance | None = None,
    ) -> Session:
        if credential != "good":
            raise Refused("unknown_key", "no stream has this key")
        if self.state.phase == "none":
            if entrance is not None:
                entrance.begin()
            self._apply(
                Connect(
                    video_id=self.video_id,
                    live_id="live",
                    user_id="user",
                    protocol=publisher.protocol,
                    replica="one",
                    title="A live",
                    description="",
                    visibility="public",
                    latency="low",
                    record=True,
                )
            )
        else:
            if entrance is not None:
                await entrance.go_on(self.video_id)
            self._apply(
                Reconnect(epoch=self.state.epoch, protocol=publisher.protocol, replica="another")
            )
        state, self.held = self.state, True
        return Session(
            video_id=self.video_id,
            live_id="live",
            user_id="user",
            epoch=state.epoch,
            latency="low",
            reconnect_seconds=60,
            next_segment=state.next_segment,
            jumps=state.jumps,
            tracks=state.tracks,
            started_at=state.started_at,
        )

    async def alive(
        self,
        session: Session,
        *,
        sending: bool,
        settled: bool = False,
        health: Health | None = None,
    ) -> str | None:
        over = self.state.phase in ("ended", "recorded") and not self.held
        if over or session.epoch != self.state.epoch:
            raise Fenced("another epoch")
        self.held = not settled
        self.sending, self.health = sending, health or self.health
        return self.stop

    async def published(self, session: Session, batch: LivePublished) -> None:
        self._apply(Publish(batch))

    async def disconnected(self, session: Session, reason: str, *, clean: bool) -> None:
        self._apply(Disconnect(epoch=session.epoch, reason=reason, clean=clean))
        self.held = self.held and session.epoch != self.state.epoch

    async def give_up(self, session: Session, reason: str) -> None:
        self._apply(End(reason))

    async def poster_made(self, session: Session, made: LivePosterMade) -> None:
        self._apply(MakePoster(made))

    async def owner(self, video_id: str) -> str | None:
        return self.address

    async def history(self, video_id: str, after: int = 0) -> Sequence[Event]:
        self.read += len(self.events) - after
        return self.events[after:]

    async def is_over(self, video_id: str) -> bool:
        return self.state.phase in ("ended", "recorded")

    async def recorded(self, recorded: LiveRecorded, next_segment: int) -> None:
        self._apply(Record(recorded, next_segment))

    def end(self) -> None:
        """As the owner of the stream asks."""
        self._apply(End("complete"))
