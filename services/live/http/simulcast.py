"""``/api/v1/live/streams/{id}/simulcast-targets``: where a live is sent on to."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, Parameter

from services.live.http.streams import LiveId
from services.live.simulcast import handling
from services.live.simulcast.handling import ShownState, ShownTarget, Targets
from services.live.simulcast.targets import MAX_KEY, MAX_NAME, MAX_URL
from shared.http.envelope import Failure, Success
from shared.http.idempotency import IdempotencyKey
from shared.http.identity import Principal
from shared.http.openapi import BEARER

Caller = NamedDependency[Principal]
TheTargets = NamedDependency[Targets]
TargetId = Annotated[
    str,
    Parameter(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        description="The simulcast target's id.",
    ),
]


class NewSimulcastTarget(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``url``: rtmp:// or rtmps://, as the other service shows it, without the key; or
    srt://host:port?streamid=…&passphrase=…, where it receives by SRT. ``stream_key``: by SRT the
    stream id, where ``url`` has none and one is needed. It is encrypted, as is what stands behind
    the ?, and never shown again. ``name`` is the host where it is empty."""

    url: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_URL)]
    stream_key: Annotated[str, msgspec.Meta(max_length=MAX_KEY)] = ""
    name: Annotated[str, msgspec.Meta(max_length=MAX_NAME)] = ""

    def __repr__(self) -> str:
        return "NewSimulcastTarget(***)"


class SimulcastTargetChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    enabled: bool


class SimulcastTarget(msgspec.Struct, frozen=True, kw_only=True):
    """``error``: why the target was last lost in the running live. ``dropped`` counts pictures and
    sounds that it was too slow for. ``since``: when ``state`` last changed while live."""

    id: str
    name: str
    url: str
    enabled: bool
    state: ShownState
    error: str | None
    dropped: int
    since: datetime | None
    created_at: datetime


def _failures(described: dict[int, str]) -> dict[int, ResponseSpec]:
    return {
        status: ResponseSpec(Failure, description=sentence, generate_examples=False)
        for status, sentence in described.items()
    }


_OWN: Final = _failures({401: "No valid token.", 404: "You have no such stream or target."})
_PATH: Final = "/{live_id:str}/simulcast-targets"


@post(
    _PATH,
    status_code=201,
    responses={
        **_OWN,
        **_failures(
            {
                400: "A rule is broken, or SRT is not installed here (srt_not_installed).",
                403: "You have as many targets as you may have.",
                409: "The idempotency key was used differently.",
            }
        ),
    },
    summary="Send a live to another service, too",
)
async def add_target(
    live_id: LiveId,
    data: JSONBody[NewSimulcastTarget],
    principal: Caller,
    targets: TheTargets,
    idempotency_key: IdempotencyKey = None,
) -> Response[Success[SimulcastTarget]]:
    """Nothing is encoded. A running live is sent within seconds."""
    new = handling.NewTarget(url=data.url, stream_key=data.stream_key, name=data.name)
    made = await targets.create(principal.user_id, live_id, new, idempotency_key)
    location = f"/api/v1/live/streams/{live_id}/simulcast-targets/{made.row.id}"
    return Response(Success(data=_shown(made)), status_code=201, headers={"location": location})


@get(_PATH, responses=_OWN, summary="Where a live is sent on to")
async def list_targets(
    live_id: LiveId, principal: Caller, targets: TheTargets
) -> Success[list[SimulcastTarget]]:
    found = await targets.all(principal.user_id, live_id)
    return Success(data=[_shown(each) for each in found])


@get(f"{_PATH}/{{target_id:str}}", responses=_OWN, summary="A simulcast target")
async def one_target(
    live_id: LiveId, target_id: TargetId, principal: Caller, targets: TheTargets
) -> Success[SimulcastTarget]:
    return Success(data=_shown(await targets.get(principal.user_id, live_id, target_id)))


@patch(
    f"{_PATH}/{{target_id:str}}",
    responses={**_failures({400: "What was sent breaks a rule."}), **_OWN},
    summary="Switch a simulcast target on or off",
)
async def switch_target(
    live_id: LiveId,
    target_id: TargetId,
    data: JSONBody[SimulcastTargetChange],
    principal: Caller,
    targets: TheTargets,
) -> Success[SimulcastTarget]:
    """Also while a live runs. One that was given up is tried again."""
    shown = await targets.switch(principal.user_id, live_id, target_id, enabled=data.enabled)
    return Success(data=_shown(shown))


@delete(
    f"{_PATH}/{{target_id:str}}",
    status_code=204,
    responses=_OWN,
    summary="Delete a simulcast target",
)
async def delete_target(
    live_id: LiveId, target_id: TargetId, principal: Caller, targets: TheTargets
) -> None:
    """Its key is forgotten. A running live is not sent there any more within seconds."""
    await targets.delete(principal.user_id, live_id, target_id)


def simulcast_router(targets: Targets) -> Router:
    """The routes of simulcast targets."""
    return Router(
        "/api/v1/live/streams",
        route_handlers=[add_target, list_targets, one_target, switch_target, delete_target],
        dependencies={"targets": Provide(lambda: targets, sync_to_thread=False)},
        security=BEARER,
        tags=["live"],
    )


def _shown(shown: ShownTarget) -> SimulcastTarget:
    row = shown.row
    return SimulcastTarget(
        id=row.id,
        name=row.name,
        url=row.url,
        enabled=row.enabled,
        state=shown.state,
        error=shown.error,
        dropped=row.dropped,
        since=row.since,
        created_at=row.created_at,
    )
