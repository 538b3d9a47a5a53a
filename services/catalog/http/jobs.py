"""Routes of jobs."""

from typing import Annotated, Final

from litestar import get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, QueryParameter

from services.catalog import api_models
from services.catalog.api_models import Job
from services.catalog.http.access import checked_id, find_after_catch_up, is_owner, may_see
from services.catalog.http.dependencies import Caller, Catalog, TheCatalog
from services.catalog.http.lists import PAGING, Cursor, Paging, decode_keyset, to_page
from services.catalog.queries.lists import Row
from services.catalog.rows import JobStatus
from shared.errors import Forbidden, NotFound
from shared.http.envelope import Success
from shared.http.identity import Principal
from shared.http.openapi import BEARER
from shared.http.paging import Page


class JobNotFound(NotFound):
    code = "job_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such job.")


class NotYourJob(Forbidden):
    code = "not_your_job"

    def __init__(self) -> None:
        super().__init__("This job belongs to another user.")


@get("/jobs/{job_id:str}", tags=["jobs"], summary="One job", security=BEARER)
async def one(principal: Caller, job_id: FromPath[str], catalog: TheCatalog) -> Success[Job]:
    return Success(data=api_models.to_job(await find_own_job(catalog, principal, job_id)))


@get("/jobs", dependencies=PAGING, tags=["jobs"], summary="My jobs", security=BEARER)
async def mine(
    principal: Caller,
    catalog: TheCatalog,
    paging: Paging,
    status: Annotated[JobStatus | None, QueryParameter(name="status")] = None,
    cursor: Cursor = None,
) -> Success[Page[Job]]:
    listing = await catalog.views.jobs(principal.user_id, status, paging, decode_keyset(cursor))
    return to_page(listing, [api_models.to_job(row) for row in listing.rows], paging)


HANDLERS: Final[list[HTTPRouteHandler]] = [one, mine]


async def find_own_job(catalog: Catalog, principal: Principal, job_id: str) -> Row:
    """The caller's own job.

    Raises NotYourJob for another's job whose video is shown to others, and else JobNotFound.
    """
    id_ = checked_id(job_id, JobNotFound)

    async def visible() -> Row | None:
        row = await catalog.views.job(id_)
        if row is not None and is_owner(row, principal):
            return row
        video = await catalog.views.video(id_)
        return row if video is not None and may_see(video, principal) else None

    # What is hidden is looked for as long as what does not exist: no clock tells them apart.
    row = await find_after_catch_up(catalog, visible)
    if row is None:
        raise JobNotFound
    if not is_owner(row, principal):
        raise NotYourJob
    return row
