"""``/api/v1/uploads/direct``: plan a direct upload, and complete it."""

from typing import Any, Final

from litestar import Request, Response, Router, delete, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from services.ingest.handlers.direct import DirectPlan, DirectRequest, DirectUploads
from services.ingest.handlers.idempotency import checked_key
from services.ingest.http.failures import failures
from services.ingest.http.form import Accepted, accepted
from services.ingest.http.uploads import UploadId
from shared.http.envelope import Success
from shared.http.identity import Principal
from shared.http.openapi import BEARER

_FAILURES: Final = failures(
    {
        400: "What was sent breaks a rule, or is no video.",
        401: "No valid token.",
        404: "No such upload, or direct uploads are not offered.",
        409: "Parts are missing, or the key was used differently.",
    }
)


@post("/", status_code=201, responses=_FAILURES, summary="Plan an upload straight to the bucket")
async def begin(
    request: Request[Any, Any, Any],
    data: JSONBody[DirectRequest],
    principal: NamedDependency[Principal],
    direct_uploads: NamedDependency[DirectUploads],
) -> Response[Success[DirectPlan]]:
    """Signed URLs for the parts: their bytes do not pass through this service."""
    plan = await direct_uploads.begin(
        principal.user_id,
        data,
        idempotency_key=checked_key(request.headers.get("idempotency-key")),
    )
    return Response(Success(data=plan), status_code=201, headers={"location": plan.complete})


@post(
    "/{upload_id:str}/complete",
    status_code=202,
    responses=_FAILURES,
    summary="All parts are there",
)
async def complete(
    upload_id: UploadId,
    principal: NamedDependency[Principal],
    direct_uploads: NamedDependency[DirectUploads],
) -> Response[Success[Accepted]]:
    """Checks the parts that are in the bucket. May be repeated."""
    upload = await direct_uploads.complete(principal.user_id, upload_id)
    return accepted(upload.id)


@delete("/{upload_id:str}", status_code=204, responses=_FAILURES, summary="Give an upload up")
async def give_up(
    upload_id: UploadId,
    principal: NamedDependency[Principal],
    direct_uploads: NamedDependency[DirectUploads],
) -> None:
    """What was put into the bucket is deleted. An upload that is complete is a video: 409."""
    await direct_uploads.give_up(principal.user_id, upload_id)


def direct_router() -> Router:
    """The routes of direct uploads."""
    return Router(
        "/api/v1/uploads/direct",
        route_handlers=[begin, complete, give_up],
        security=BEARER,
        tags=["uploads"],
    )
