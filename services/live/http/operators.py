"""What an operator does to a session: end it, or close its publisher."""

from typing import Final

import msgspec
from litestar import Router, post
from litestar.params import FromPath

from services.live.handlers.intervening import Interventions
from shared.http.envelope import Success
from shared.http.operator import guarded
from shared.settings import Key

_PATH: Final = "/lives/{video_id:str}"


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What was done. ``changed``: False where there was nothing left to do."""

    video_id: str
    live_id: str
    changed: bool
    message: str


def operator_live_routes(secret: Key, interventions: Interventions) -> Router:
    """Guarded by the operator's secret."""

    @post(f"{_PATH}/end", status_code=200, include_in_schema=False)
    async def end(video_id: FromPath[str]) -> Success[Done]:
        """End a session; what it has becomes its video. May be repeated."""
        row, changed = await interventions.end(video_id)
        message = "The session has ended." if changed else "The session had ended already."
        done = Done(video_id=video_id, live_id=row.live_id, changed=changed, message=message)
        return Success(data=done)

    @post(f"{_PATH}/kick", status_code=200, include_in_schema=False)
    async def kick(video_id: FromPath[str]) -> Success[Done]:
        """Close the publisher of a session, which waits for it to come back."""
        row, changed = await interventions.kick(video_id)
        message = (
            "The publisher is closed; the session waits for it."
            if changed
            else "The session has no publisher."
        )
        done = Done(video_id=video_id, live_id=row.live_id, changed=changed, message=message)
        return Success(data=done)

    return guarded(secret, end, kick)
