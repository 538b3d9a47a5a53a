"""Objects that are damaged or lost with their source, and videos that are deleted at any step."""

import hashlib
import random
import time
from typing import Any, Final

from services.transcoder.coordinator.media_objects import required
from services.transcoder.handlers import state_of
from shared.event_store.postgres import open_event_store
from tests.chaos.looking import buckets_of, is_of_live, patiently, rows
from tests.chaos.scene import Fault, Scene
from tests.support.threads import run

_SECONDS: Final = 60.0
_DAMAGES: Final = ("cut", "emptied", "longer", "flipped")
_STEP_SECONDS: Final = 0.05
_RUNNING: Final = (
    "select from transcoder.tasks where video_id = $1 and kind = '{}' and state = '{}'"
)
# When a video counts as having come so far, as a query about its id.
STEPS: Final = {
    "uploaded": "select from transcoder.jobs where video_id = $1",
    "planning": _RUNNING.format("plan", "running"),
    "planned": _RUNNING.format("plan", "done"),
    "encoding": _RUNNING.format("video", "running"),
    "sound": _RUNNING.format("audio", "running"),
    "images": _RUNNING.format("images", "running"),
    "playable": "select from transcoder.jobs where video_id = $1 and playable",
    "completed": "select from transcoder.jobs where video_id = $1 and state = 'completed'",
}


def damage_objects(scene: Scene, chance: random.Random) -> str | None:
    """Some objects of completed videos have other bytes than the log says, or more, or fewer."""
    buckets = buckets_of(scene.stack)
    completed = {
        row[0]
        for row in rows(
            scene.stack, "select video_id from transcoder.jobs where state = 'completed'"
        )
    }
    keys = [
        key
        for key in patiently(lambda: buckets.keys(buckets.media))
        if key.partition("/")[0] in completed
        and key.endswith((".mp4", ".m3u8", ".mpd", ".webp"))
        and not is_of_live(key)
    ]
    chosen = chance.sample(keys, min(len(keys), chance.randint(1, 4)))
    if not chosen:
        return None
    client: Any = buckets.client()
    done: list[str] = []
    for key in chosen:
        whole = patiently(
            lambda name=key: client.get_object(Bucket=buckets.media, Key=name)["Body"].read()
        )
        how = chance.choice(_DAMAGES)
        body = _damaged(whole, how)
        patiently(
            lambda name=key, content=body: client.put_object(
                Bucket=buckets.media, Key=name, Body=content
            )
        )
        scene.sacrifices.damaged[key] = hashlib.sha256(body).hexdigest()
        done.append(f"{key} {how}")
    return f"damaged {', '.join(done)}"


def _damaged(whole: bytes, how: str) -> bytes:
    middle = len(whole) // 2
    flipped = bytes([whole[middle] ^ 1]) if whole else b"x"
    return {
        "cut": whole[:middle],
        "emptied": b"",
        "longer": whole + b"x",
        "flipped": whole[:middle] + flipped + whole[middle + 1 :],
    }[how]


def lose_source(scene: Scene, chance: random.Random) -> str | None:
    """A video loses its source and some of its media: these cannot be made again."""
    sacrifices = scene.sacrifices
    video_id = sacrifices.upload(chance)
    uploader, deadline = sacrifices.uploader(), time.monotonic() + _SECONDS
    while (job := uploader.ended(video_id)) is None and time.monotonic() < deadline:
        time.sleep(0.3)
    if job is None or job["status"] != "completed":
        return None

    async def needed() -> set[str]:
        async with open_event_store(scene.stack.stack.urls.postgres, connections=2) as store:
            return required(video_id, await state_of(store, video_id))

    # Not what compaction has replaced, and nobody misses.
    keys = sorted(key for key in patiently(lambda: run(needed)) if key.endswith(".mp4"))
    buckets = buckets_of(scene.stack)
    client: Any = buckets.client()
    lost = chance.choice(keys)
    for bucket, key in ((buckets.sources, f"{video_id}/source"), (buckets.media, lost)):
        patiently(lambda where=bucket, name=key: client.delete_object(Bucket=where, Key=name))
    sacrifices.without_source.append(video_id)
    return f"deleted {lost} and the source of it"


def delete_at(step: str) -> Fault:
    """A video is deleted by its owner at a step of its processing."""

    def fault(scene: Scene, chance: random.Random) -> str | None:
        video_id = scene.sacrifices.upload(chance)
        deadline = time.monotonic() + _SECONDS
        over = STEPS["completed"]
        seen = False
        while not seen and time.monotonic() < deadline:
            found = rows(scene.stack, f"select exists ({STEPS[step]}), exists ({over})", video_id)[
                0
            ]
            seen = found[0] or found[1]
            time.sleep(_STEP_SECONDS)
        if not scene.sacrifices.uploader().delete(video_id):
            return None
        scene.sacrifices.deleted.append(video_id)
        return f"deleted {video_id} at {step}{'' if seen else ', which it did not reach'}"

    return fault


FAULTS: Final[dict[str, Fault]] = {
    "damage objects": damage_objects,
    "lose source": lose_source,
    **{f"delete at {step}": delete_at(step) for step in STEPS},
}
