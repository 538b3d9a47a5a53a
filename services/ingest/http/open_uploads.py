"""``GET /api/v1/uploads`` and ``PUT /api/v1/uploads/{id}/details``: what is on its way, and what
it will be."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from litestar import Response, Router, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from services.ingest.details import Details
from services.ingest.handlers.open_uploads import OpenUploadsHandler
from services.ingest.http.failures import failures
from services.ingest.http.tus import UPLOADS
from services.ingest.http.uploads import UploadId
from services.ingest.ports import Upload
from services.ingest.tus import parse_metadata
from shared.http.envelope import Success
from shared.http.identity import Principal
from shared.http.openapi import BEARER


class NewDetails(Details, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the video will have: fields that are left out are as if they had never been given."""

    # Keyword-only fields may be required again.
    title: str  # pyright: ignore[reportGeneralTypeIssues]


class SaidDetails(Details, frozen=True, kw_only=True, omit_defaults=False):
    """What was said of the video; null where the account's or the site's default counts."""


class OpenUpload(msgspec.Struct, frozen=True, kw_only=True):
    """``size`` and ``received`` in bytes; ``size`` is null while the client has not said it.

    ``last_modified``: what the client called ``lastModified`` of the file, to know it again.
    """

    id: str
    details: SaidDetails
    last_modified: str | None
    size: int | None
    received: int
    created_at: datetime
    expires_at: datetime


@get(
    "/",
    responses=failures({401: "No valid token.", 503: "The database does not answer."}),
    summary="Your resumable uploads that are not complete",
)
async def open_uploads(
    principal: NamedDependency[Principal],
    open_uploads_handler: NamedDependency[OpenUploadsHandler],
) -> Response[Success[Sequence[OpenUpload]]]:
    """The newest first, 200 at most. HEAD of one says where to go on."""
    found = await open_uploads_handler.of_account(principal.user_id)
    return Response(
        Success(data=[_shown(upload) for upload in found]),
        headers={"cache-control": "private, no-store"},
    )


@put(
    "/{upload_id:str}/details",
    responses=failures(
        {
            400: "A field is not known or breaks its rule.",
            401: "No valid token.",
            404: "No such upload of yours; it may have expired.",
            409: "The upload is complete: change the video.",
        }
    ),
    summary="Say what a resumable upload will be",
)
async def describe(
    upload_id: UploadId,
    data: JSONBody[NewDetails],
    principal: NamedDependency[Principal],
    open_uploads_handler: NamedDependency[OpenUploadsHandler],
) -> Success[OpenUpload]:
    """Replaces what Upload-Metadata said. The last byte makes the video with what is said then."""
    return Success(
        data=_shown(await open_uploads_handler.describe(principal.user_id, upload_id, data))
    )


def open_uploads_router() -> Router:
    """The routes of what is on its way."""
    return Router(
        UPLOADS, route_handlers=[open_uploads, describe], security=BEARER, tags=["uploads"]
    )


def _shown(upload: Upload) -> OpenUpload:
    return OpenUpload(
        id=upload.id,
        details=SaidDetails(**msgspec.structs.asdict(upload.details)),
        last_modified=parse_metadata(upload.metadata).get("lastModified"),
        size=upload.length,
        received=upload.received,
        created_at=upload.created_at,
        expires_at=upload.expires_at,
    )
