"""People who ask, watch and upload while something happens to the cluster, and what they notice."""

import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
from msgspec import Struct, field

from tests.chaos.clips import Clips
from tests.chaos.uploads import NotAnswered, Uploader
from tests.cluster.release import Failed, until
from tests.e2e.people import sign_up

# Requests a second of each of two callers, and seconds between two uploads.
_RATE: Final = 10.0
_UPLOAD_EVERY: Final = 4.0
_FAILED_SHOWN: Final = 3


class Load(Struct):
    """What was asked and answered. ``failed``: why, for each request that was not answered well."""

    answered: int = 0
    uploads: list[str] = field(default_factory=list[str])
    failed: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return (
            f"{len(self.failed)} of {self.answered + len(self.failed)} requests failed, "
            f"{len(self.uploads)} uploads completed"
        )


@contextmanager
def load(url: str) -> Iterator[Load]:
    """Requests on new and on kept connections, and uploads, as long as this is open.

    At the end it waits for every acknowledged upload. Raises Failed where one is lost.
    """
    seen = Load()
    with tempfile.TemporaryDirectory() as folder:
        uploader = Uploader(url)
        clips, chance = Clips(Path(folder)), random.Random()
        first = uploader.by_form(clips.with_sound(chance), "Under load")
        _completed(uploader, first)
        seen.uploads.append(first)
        over = threading.Event()
        callers = [
            threading.Thread(target=_upload, args=(uploader, clips, chance, seen, over)),
            *(
                threading.Thread(target=_ask, args=(url, first, seen, over, kept))
                for kept in (True, False)
            ),
        ]
        for caller in callers:
            caller.start()
        try:
            yield seen
        finally:
            over.set()
            for caller in callers:
                caller.join()
        for video in seen.uploads:
            _completed(uploader, video)
        uploader.close()


def held(seen: Load) -> None:
    """Raises Failed if anybody noticed anything."""
    if seen.failed:
        raise Failed(f"{seen}: {'; '.join(seen.failed[:_FAILED_SHOWN])}")


def _completed(uploader: Uploader, video: str) -> None:
    job = until(lambda: uploader.ended(video), f"the upload {video} has not ended")
    if job["status"] != "completed":
        raise Failed(f"the upload {video} {job['status']}: {job.get('error_message')}")


def _upload(
    uploader: Uploader, clips: Clips, chance: random.Random, seen: Load, over: threading.Event
) -> None:
    while not over.wait(_UPLOAD_EVERY):
        try:
            seen.uploads.append(uploader.by_tus(clips.with_sound(chance), "Under load", 2))
        except NotAnswered as error:
            seen.failed.append(f"an upload: {error}")


def _ask(url: str, video: str, seen: Load, over: threading.Event, kept: bool) -> None:
    """One request after the other: of each service's routes, a page and media."""
    with sign_up(url, "caller") as person:
        client = person.client
        stored = client.get(f"/api/v1/streaming/id/{video}").json()["data"]
        own = [f"/api/v1/{path}" for path in ("users/me", "jobs", "uploads", "live/streams")]
        paths = ["/", stored["video"], *own, f"/api/v1/streaming/id/{video}", f"/watch/{video}"]
        turn = 0
        while not over.is_set():
            began, path = time.monotonic(), paths[turn % len(paths)]
            turn += 1
            try:
                headers = {} if kept else {"connection": "close"}
                answer = client.get(path, headers=headers)
            except httpx.TransportError as error:
                seen.failed.append(f"{path}: {error!r}")
            else:
                if answer.status_code < 400:
                    seen.answered += 1
                else:
                    seen.failed.append(f"{path}: {answer.status_code} {answer.text[:200]}")
            over.wait(max(0.0, began + 1 / _RATE - time.monotonic()))
