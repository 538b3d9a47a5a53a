"""People who upload whatever happens: each goes on until the upload is acknowledged."""

import base64
import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from msgspec import Struct

from tests.chaos.clips import Clip
from tests.e2e.people import PASSWORD

PATIENCE = 300.0
"""Seconds that one upload, or the work that it sets off, may take on a machine under fire."""

_PAUSE = 0.3


class Acknowledged(Struct, frozen=True):
    """An upload that the service has promised to keep."""

    video_id: str
    user: str
    clip: Clip
    protocol: str


class NotAnswered(Exception):
    """Nobody answered as a client may expect, for minutes."""


class Uploader:
    """Somebody with an account, on a client that tries again."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self.name = f"chaos-{secrets.token_hex(4)}"
        person = {"username": self.name, "password": PASSWORD}
        self._login = person
        with self._client as client:
            register = {**person, "email": f"{self.name}@example.com"}
            self._until(lambda: client.post("/api/v1/auth/register", json=register), (201, 409))
        self._client = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self._sign_in()

    def close(self) -> None:
        self._client.close()

    def by_form(self, clip: Clip, title: str) -> str:
        """Upload as a browser's form; the video's id. Raises NotAnswered."""
        # The same key each time: a repeated request is the same upload.
        headers = {"idempotency-key": secrets.token_hex(8)}
        answer = self._until(
            lambda: self._client.post(
                "/api/v1/streaming/upload",
                headers=headers,
                data={"title": title},
                files={"video": ("clip.mp4", clip.content, "video/mp4")},
            ),
            (202,),
        )
        video_id: str = answer.json()["data"]["job_id"]
        return video_id

    def by_tus(self, clip: Clip, title: str, pieces: int) -> str:
        """Upload in pieces; the video's id. Raises NotAnswered."""
        metadata = {"filename": "clip.mp4", "title": title}
        create = {
            "tus-resumable": "1.0.0",
            "upload-length": str(len(clip.content)),
            "upload-metadata": ",".join(
                f"{name} {base64.b64encode(text.encode()).decode()}"
                for name, text in metadata.items()
            ),
            "idempotency-key": secrets.token_hex(8),
        }
        created = self._until(lambda: self._client.post("/api/v1/uploads", headers=create), (201,))
        address = created.headers["location"]
        length = -(-len(clip.content) // pieces)

        def go_on() -> httpx.Response:
            """Ask how far it is, and send the next piece."""
            asked = self._client.head(address, headers={"tus-resumable": "1.0.0"})
            if asked.status_code != 200:
                return asked
            offset = int(asked.headers["upload-offset"])
            if offset == len(clip.content):
                # Whole, yet its answer was lost: an empty piece asks for it again.
                return self._patch(address, offset, b"")
            return self._patch(address, offset, clip.content[offset : offset + length])

        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._until(go_on, (204,))
            if int(answer.headers["upload-offset"]) == len(clip.content):
                video_id: str = address.rsplit("/", 1)[1]
                return video_id
            if time.monotonic() > deadline:
                raise NotAnswered(f"{address} does not get on")

    def ask(self, method: str, path: str, body: object, status: int) -> Any:
        """The data of an answer of this status. Raises NotAnswered."""
        return self._until(lambda: self._client.request(method, path, json=body), (status,)).json()[
            "data"
        ]

    def ended(self, video_id: str) -> dict[str, object] | None:
        """The job once it is over; None as long as it is not, or nobody says."""
        try:
            answer = self._client.get(f"/api/v1/jobs/{video_id}")
        except httpx.TransportError:
            return None
        if answer.status_code == 401:
            self._sign_in()
        if not answer.is_success:
            return None
        job = answer.json()["data"]
        return job if job["status"] in ("completed", "failed") else None

    def delete(self, video_id: str) -> bool:
        """Delete a video of one's own; whether that was confirmed. Raises NotAnswered."""
        path = f"/api/v1/streaming/{video_id}"
        # The answer to the first try may have been lost: then there is no such video any more.
        time_up = time.monotonic() + PATIENCE
        while time.monotonic() < time_up:
            try:
                answer = self._client.delete(path)
            except httpx.TransportError:
                time.sleep(_PAUSE)
                continue
            if answer.status_code == 401:
                self._sign_in()
            if answer.status_code in (200, 404, 410):
                return True
            time.sleep(_PAUSE)
        raise NotAnswered(f"{path} cannot be deleted")

    def _patch(self, address: str, offset: int, piece: bytes) -> httpx.Response:
        return self._client.patch(
            address,
            headers={
                "tus-resumable": "1.0.0",
                "upload-offset": str(offset),
                "content-type": "application/offset+octet-stream",
            },
            content=piece,
        )

    def _sign_in(self) -> None:
        with httpx.Client(base_url=self._url, timeout=30, trust_env=False) as client:
            answer = self._until(
                lambda: client.post("/api/v1/auth/login", json=self._login), (200,)
            )
        self._client.headers["authorization"] = f"Bearer {answer.json()['data']['access_token']}"

    def _until(
        self, ask: Callable[[], httpx.Response], expected: tuple[int, ...]
    ) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE
        last = "no answer"
        while time.monotonic() < deadline:
            try:
                answer = ask()
            except httpx.TransportError as error:
                last = repr(error)
            else:
                if answer.status_code in expected:
                    return answer
                last = f"{answer.request.method} {answer.url}: {answer.status_code} {answer.text}"
                if answer.status_code == 401:
                    self._sign_in()
                elif answer.status_code < 500 and answer.status_code not in (404, 409, 423, 429):
                    break
            time.sleep(_PAUSE)
        raise NotAnswered(last)


class Traffic:
    """Uploads by several people at once, each one's after the other's end."""

    def __init__(
        self, url: str, take: Callable[[random.Random], Clip], seed: int, *, people: int
    ) -> None:
        self.people = people
        self._url = url
        self._take = take
        self._seed = seed
        self._left = 0
        self._allowed = 0
        self._more = threading.Condition()
        self.begun = 0
        self.acknowledged: list[Acknowledged] = []
        self.problems: list[str] = []

    @contextmanager
    def running(self, count: int) -> Iterator[Callable[[], bool]]:
        """Begin; yields whether anybody is still at it. Waits for all of them at the end."""
        self._left = count
        threads = [
            threading.Thread(target=self._upload_all, args=(number,), daemon=True)
            for number in range(self.people)
        ]
        for thread in threads:
            thread.start()
        yield lambda: any(thread.is_alive() for thread in threads)
        for thread in threads:
            thread.join()

    def _upload_all(self, number: int) -> None:
        chance = random.Random(f"{self._seed} {number}")
        try:
            uploader = Uploader(self._url)
            while self._next():
                self._upload(uploader, chance)
            uploader.close()
        except Exception as error:
            self.problems.append(f"a client failed: {error!r}")

    def allow(self, count: int) -> None:
        """So many uploads may have begun by now: faults come among them and not after them."""
        with self._more:
            self._allowed = max(self._allowed, count)
            self._more.notify_all()

    def _next(self) -> bool:
        with self._more:
            self._more.wait_for(lambda: self.begun < self._allowed or self._left == 0)
            if self._left == 0:
                return False
            self._left -= 1
            self.begun += 1
            self._more.notify_all()
            return True

    def _upload(self, uploader: Uploader, chance: random.Random) -> None:
        clip = self._take(chance)
        protocol = chance.choice(("form", "tus"))
        pieces = chance.randint(1, 4)
        wait = chance.random() < 0.7
        try:
            if protocol == "form":
                video_id = uploader.by_form(clip, "Chaos")
            else:
                video_id = uploader.by_tus(clip, "Chaos", pieces)
        except NotAnswered as error:
            self.problems.append(f"{protocol}: {error}")
            return
        self.acknowledged.append(Acknowledged(video_id, uploader.name, clip, protocol))
        deadline = time.monotonic() + PATIENCE
        while wait and uploader.ended(video_id) is None and time.monotonic() < deadline:
            time.sleep(_PAUSE)
