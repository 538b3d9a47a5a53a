"""Live's environment."""

import re
from typing import Annotated, Final, Self

import msgspec

from services.live.chat.readers import PER_PROCESS
from services.live.recording.spool import SPOOL_BYTES
from services.live.whip.ice_servers import TurnSecret
from shared.public_addresses import Reach
from shared.settings import Address, Key, Secret, Settings

_ICE_SERVER: Final = re.compile(
    r"(stuns?:[^\s,?<>\"]+|turns?:[^\s,?<>\"]+(\?transport=(udp|tcp))?)\Z"
)


class IceServer(str):
    """The address of a STUN or TURN server (RFC 7064, RFC 7065)."""

    @classmethod
    def parse(cls, value: str) -> Self:
        """Raises ValueError for another kind of address."""
        if _ICE_SERVER.match(value) is None:
            raise ValueError("must be stun:host:port or turn:host:port?transport=udp")
        return cls(value)


class LiveSettings(Settings, frozen=True, kw_only=True):
    """Publishers connect to ``rtmp_bind``; ``rtmp_url`` is what people are told to send to, and so
    are ``rtmps_url`` and ``srt_url`` where those are not at its host, at the ports of here.

    With ``rtmps_certificate`` and ``rtmps_key``, files in PEM, publishers by RTMPS connect to
    ``rtmps_bind``; the files are read again when they change.

    ``internal_url``: where the gateway and other replicas reach this process. A user may have
    ``max_live_streams_per_user`` and be live with ``max_lives_per_user`` of them at once; this
    process takes ``max_lives``, and no further one where they use most of ``live_cores``, or, for
    0, of its processor cores. A user plans ``max_planned_lives_per_user`` at one time, and makes
    ``max_clips_per_day``; others make so many of the user's lives. A session may last
    ``max_live_hours``, and its publisher may send ``max_live_bit_rate`` bits and
    ``max_live_frame_rate`` pictures a second, of ``max_live_pixels`` each; ``upstream_ingest`` says
    whether its account may store more. ``live_heights``: of the renditions that are made below a
    publisher's own, each of which takes CPU time. ``scratch_dir`` holds what storage does not take,
    ``live_spool_bytes`` at most. Viewers of a running live may go back by ``live_dvr_minutes``; 0:
    by the last minute only.

    ``redis_url``: where viewers are counted, and chats are; without it the number is not known, and
    there is no chat. ``live_chat``: whether there are chats; ``max_chat_readers`` may read them at
    this process at one time. Who may read those of private lives, ``media_grant_secret`` decides.

    Streams are sent on to ``max_simulcast_targets`` each, whose keys are encrypted with
    ``simulcast_key``; they may be in ``simulcast_networks`` besides the internet.

    With ``whip``, WebRTC publishers are received, each at a random UDP port; they are told of
    ``ice_servers`` (STUN, TURN), with passwords made by ``turn_secret``. With ``srt_library``,
    the path of libsrt 1.5, publishers by SRT are, at ``srt_bind``, each with a passphrase that is
    computed with ``simulcast_key``, or with ``srt_plain_keys`` by the stream key,
    unencrypted. Who shows ``operator_secret`` may end any session.
    """

    bind: Address
    rtmp_bind: Address
    rtmp_url: str
    rtmps_bind: Address = Address("0.0.0.0", 1936)  # noqa: S104 - publishers come from anywhere
    rtmps_certificate: str | None = None
    rtmps_key: str | None = None
    rtmps_url: str | None = None
    internal_url: str
    database_url: Secret
    s3_endpoint: str
    s3_region: str = "us-east-1"
    s3_access_key: Secret | None = None
    s3_secret_key: Secret | None = None
    s3_media_bucket: Annotated[str, msgspec.Meta(min_length=3, max_length=63)]
    s3_sync_url: str | None = None
    upstream_ingest: str
    jwks_url: str
    jwt_issuer: str
    jwt_audience: str
    scratch_dir: str
    redis_url: Secret | None = None
    media_grant_secret: Key | None = None
    live_chat: bool = True
    max_chat_readers: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = PER_PROCESS
    ffmpeg: str | None = None
    whip: bool = False
    ice_servers: tuple[IceServer, ...] = ()
    turn_secret: TurnSecret | None = None
    operator_secret: Key | None = None
    srt_bind: Address = Address("0.0.0.0", 9710)  # noqa: S104 - publishers come from anywhere
    srt_library: str | None = None
    srt_url: str | None = None
    srt_plain_keys: bool = True
    live_heights: tuple[int, ...] = (480, 240)
    live_dvr_minutes: Annotated[int, msgspec.Meta(ge=0, le=2880)] = 240
    max_lives: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 4
    max_live_streams_per_user: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    max_planned_lives_per_user: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    max_lives_per_user: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 2
    simulcast_key: Key
    simulcast_networks: Reach | None = None
    max_simulcast_targets: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5
    max_simulcast_targets_per_user: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    max_clips_per_day: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 50
    live_cores: Annotated[float, msgspec.Meta(ge=0, le=1024)] = 0.0
    live_spool_bytes: Annotated[int, msgspec.Meta(ge=0)] = SPOOL_BYTES
    max_live_hours: Annotated[float, msgspec.Meta(gt=0, le=24 * 31)] = 12.0
    max_live_bit_rate: Annotated[int, msgspec.Meta(ge=100_000)] = 40_000_000
    max_live_pixels: Annotated[int, msgspec.Meta(ge=10_000)] = 8_300_000
    max_live_frame_rate: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 60
