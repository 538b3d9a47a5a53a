"""``/api/v1/live/planned``: lives that have not begun yet, for whoever may see them."""

from datetime import datetime
from typing import Annotated, Final, Literal

import msgspec
from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import Parameter, QueryParameter

from services.live.handlers.planning import Planning
from services.live.http.streams import LiveVisibility
from services.live.row_ports import PlanRow
from shared.http.envelope import Failure, Success
from shared.http.identity import Principal

_MOST_LISTED: Final = 50

MaybeCaller = NamedDependency[Principal | None]
ThePlans = NamedDependency[Planning]
PlannedId = Annotated[
    str,
    Parameter(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        description="The planned live's id.",
    ),
]
UserId = Annotated[
    str | None,
    QueryParameter(max_length=64, description="Whose; of each user the soonest if not given."),
]
Limit = Annotated[
    int, QueryParameter(ge=1, le=_MOST_LISTED, description="How many are listed at most.")
]


class PlannedLive(msgspec.Struct, frozen=True, kw_only=True):
    """``state``: planned (also when it is late), begun, or cancelled. ``video_id``: the video that
    it is, once it has begun."""

    id: str
    user_id: str
    username: str
    title: str
    description: str
    visibility: LiveVisibility
    scheduled_at: datetime
    state: Literal["planned", "begun", "cancelled"]
    video_id: str | None


@get("/", summary="Lives that begin soon")
async def upcoming(
    plans: ThePlans, user_id: UserId = None, limit: Limit = 10
) -> Success[list[PlannedLive]]:
    """Public ones, the soonest first."""
    return Success(data=[_shown(row) for row in await plans.upcoming(user_id, limit)])


@get(
    "/{planned_id:str}",
    responses={
        404: ResponseSpec(
            Failure,
            description="There is no such planned live, or not for the caller.",
            generate_examples=False,
        )
    },
    summary="A planned live",
)
async def planned(
    planned_id: PlannedId, optional_principal: MaybeCaller, plans: ThePlans
) -> Success[PlannedLive]:
    """A private one is its owner's alone. Once it has begun, it names its video, for those who may
    watch that."""
    caller = None if optional_principal is None else optional_principal.user_id
    return Success(data=_shown(await plans.get(caller, planned_id)))


def planned_router(plans: Planning) -> Router:
    """The routes of planned lives."""
    return Router(
        "/api/v1/live/planned",
        route_handlers=[upcoming, planned],
        dependencies={"plans": Provide(lambda: plans, sync_to_thread=False)},
        tags=["live"],
    )


def _shown(row: PlanRow) -> PlannedLive:
    return PlannedLive(**{name: getattr(row, name) for name in PlannedLive.__struct_fields__})
