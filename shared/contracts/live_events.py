"""The integration events of live streams and of their sessions."""

from datetime import datetime
from typing import Literal

from shared.contracts.events import Event, Visibility
from shared.contracts.media import EncodedTrack, PublishedRendition, StoredObject

LiveProtocol = Literal["rtmp", "rtmps", "srt", "whip"]
Latency = Literal["low", "standard"]
"""low: parts of a third of a second (LL-HLS). standard: whole segments only."""


ClipsBy = Literal["owner", "everyone"]
"""Who may make clips of a live: only its owner, or everyone who can watch it."""


SimulcastState = Literal["idle", "starting", "broadcasting", "retrying", "errored"]
"""errored: it has failed too often, and is not tried again in this session."""


# The live category, written by live: what a person set up, and which sessions there were.


class LiveStreamCreated(Event, frozen=True, kw_only=True):
    """A person may publish under a key, which is in no event. ``record``: each session becomes a
    video. A session whose publisher is gone for ``reconnect_seconds`` ends. ``chat``: viewers may
    write to each other."""

    live_id: str
    user_id: str
    title: str
    description: str
    visibility: Visibility
    latency: Latency
    record: bool
    reconnect_seconds: int = 60
    chat: bool = True


class LiveStreamChanged(Event, frozen=True, kw_only=True):
    """All settings as they are from now on. A running session keeps its title, visibility and
    latency; ``reconnect_seconds`` and ``chat`` are those of now for it, too."""

    live_id: str
    user_id: str
    title: str
    description: str
    visibility: Visibility
    latency: Latency
    record: bool
    reconnect_seconds: int = 60
    chat: bool = True


class StreamKeyRotated(Event, frozen=True, kw_only=True):
    """The key of before is refused."""

    live_id: str
    user_id: str


class LiveClippingChanged(Event, frozen=True, kw_only=True):
    """Who may make clips of its lives from now on."""

    live_id: str
    user_id: str
    clips_by: ClipsBy


class SimulcastTargetAdded(Event, frozen=True, kw_only=True):
    """Its lives are sent on to another service, too. Its address and its key are in no event."""

    live_id: str
    user_id: str
    target_id: str
    name: str


class SimulcastTargetSwitched(Event, frozen=True, kw_only=True):
    """Whether lives are sent to the target from now on."""

    live_id: str
    user_id: str
    target_id: str
    enabled: bool


class SimulcastTargetDeleted(Event, frozen=True, kw_only=True):
    live_id: str
    user_id: str
    target_id: str


class SimulcastStateChanged(Event, frozen=True, kw_only=True):
    """How a target is doing while the session ``video_id`` runs. ``error``: why it was last lost,
    in a sentence that has no secret in it."""

    live_id: str
    user_id: str
    target_id: str
    video_id: str
    state: SimulcastState
    error: str | None = None


class LiveStreamEnabled(Event, frozen=True, kw_only=True):
    live_id: str
    user_id: str


class LiveStreamDisabled(Event, frozen=True, kw_only=True):
    live_id: str
    user_id: str


class LiveStreamDeleted(Event, frozen=True, kw_only=True):
    live_id: str
    user_id: str


class LiveScheduled(Event, frozen=True, kw_only=True):
    """The stream's next live has a time and, as ``planned_id``, a page that viewers can open before
    it begins."""

    live_id: str
    user_id: str
    planned_id: str
    scheduled_at: datetime
    title: str
    description: str
    visibility: Visibility


class LiveRescheduled(Event, frozen=True, kw_only=True):
    """The planned live as it is from now on: another time, title, description or visibility."""

    live_id: str
    user_id: str
    planned_id: str
    scheduled_at: datetime
    title: str
    description: str
    visibility: Visibility


class LiveScheduleCancelled(Event, frozen=True, kw_only=True):
    """``missed``: its time passed long ago, and it did not begin."""

    live_id: str
    user_id: str
    planned_id: str
    missed: bool = False


class LiveStartsSoon(Event, frozen=True, kw_only=True):
    """The planned live begins within a quarter of an hour. Once for each time that it is given."""

    live_id: str
    user_id: str
    planned_id: str
    scheduled_at: datetime
    title: str


class LiveScheduleMet(Event, frozen=True, kw_only=True):
    """The planned live runs: it is the video ``video_id``."""

    live_id: str
    user_id: str
    planned_id: str
    video_id: str


class LiveSessionOpened(Event, frozen=True, kw_only=True):
    """A publisher began; the session becomes the video ``video_id``."""

    live_id: str
    user_id: str
    video_id: str


class LiveSessionClosed(Event, frozen=True, kw_only=True):
    """The session has ended: the next publisher begins another one."""

    live_id: str
    user_id: str
    video_id: str


# The livesession category, written by live: one session, from its first publisher to its video.


class LiveConnected(Event, frozen=True, kw_only=True):
    """A publisher sends to ``replica``, which owns the session with this ``epoch``.

    The stream's settings at this time are the video's first ones.
    """

    video_id: str
    live_id: str
    user_id: str
    epoch: int
    protocol: LiveProtocol
    title: str
    description: str
    visibility: Visibility
    latency: Latency
    replica: str
    record: bool = True


class LivePublished(Event, frozen=True, kw_only=True):
    """The next segments of all tracks are in the bucket, from number ``first_segment`` on.

    ``started_at``: the time of the first picture of the first of them. ``jump``: a discontinuity
    stands before it, and players start the timeline anew.
    """

    video_id: str
    epoch: int
    first_segment: int
    started_at: datetime
    tracks: tuple[EncodedTrack, ...]
    jump: bool = False


class LiveDisconnected(Event, frozen=True, kw_only=True):
    """The publisher is gone. ``clean``: it said so. It may come back in time."""

    video_id: str
    epoch: int
    reason: str
    clean: bool


class LiveReconnected(Event, frozen=True, kw_only=True):
    """A publisher sends again; whoever had an older ``epoch`` has lost the session."""

    video_id: str
    epoch: int
    protocol: LiveProtocol
    replica: str


class LiveEnded(Event, frozen=True, kw_only=True):
    """Nothing follows but the recording. ``peak_viewers``: the most at one time;
    ``total_viewers``: all of them, each once a day. None where they could not be counted."""

    video_id: str
    live_id: str
    user_id: str
    reason: str
    peak_viewers: int | None = None
    total_viewers: int | None = None


class LiveRecorded(Event, frozen=True, kw_only=True):
    """The session's segments are an ordinary video, with playlists and a manifest of their own."""

    video_id: str
    playlist_key: str
    dash_key: str
    duration_ms: int
    width: int
    height: int
    renditions: tuple[PublishedRendition, ...]
    size: int
    playlists: tuple[StoredObject, ...] = ()


class LivePosterMade(Event, frozen=True, kw_only=True):
    video_id: str
    poster_key: str
    object: StoredObject


class LiveClipMade(Event, frozen=True, kw_only=True):
    """Copies of some segments of the session ``source_id`` are a video of their own, which belongs
    to the live's owner; ``made_by`` is who asked for it. The first event of the clip's session.

    ``started_at`` and ``duration_ms`` are its real bounds; ``size`` is that of all segments.
    """

    video_id: str
    live_id: str
    user_id: str
    source_id: str
    made_by: str
    title: str
    description: str
    visibility: Visibility
    started_at: datetime
    duration_ms: int
    size: int
