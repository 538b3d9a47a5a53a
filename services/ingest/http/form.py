"""``POST /api/v1/streaming/upload``: one form, one video."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from litestar import MediaType, Request, Response, post
from litestar.di import NamedDependency
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)

from services.ingest.details import details_schema
from services.ingest.handlers.form_upload import FILE_FIELD, FormUploads
from services.ingest.http.body import IncomingBody
from services.ingest.http.failures import failures
from shared.http.envelope import Success
from shared.http.identity import Principal
from shared.http.openapi import BEARER


def _form_schema() -> Schema:
    """The fields of a form: the details, but for the file's name, and the file."""
    fields = {
        name: _schema(given) for name, given in details_schema().items() if name != "filename"
    }
    file = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
    return Schema(
        type=OpenAPIType.OBJECT,
        required=["title", FILE_FIELD],
        properties={**fields, FILE_FIELD: file},
    )


def _schema(given: Mapping[str, Any]) -> Schema:
    """A schema of Litestar with those keywords of JSON Schema that details use."""
    return Schema(
        type=OpenAPIType(given["type"]),
        min_length=given.get("minLength"),
        max_length=given.get("maxLength"),
        enum=given.get("enum"),
        format=given.get("format"),
        items=_schema(given["items"]) if "items" in given else None,
    )


@dataclass
class _FormOperation(Operation):
    """Describes the body, which Litestar cannot: the handler reads it as a stream."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(
            content={"multipart/form-data": OpenAPIMediaType(schema=_form_schema())},
            required=True,
        )


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """The upload is durable and will be processed. The job's id is the video's id."""

    job_id: str
    status: Literal["pending"] = "pending"
    message: str = "Your video was uploaded and will be ready soon."


def accepted(video_id: str) -> Response[Success[Accepted]]:
    """202, with the job's address."""
    return Response(
        Success(data=Accepted(job_id=video_id)),
        status_code=202,
        media_type=MediaType.JSON,
        headers={"location": f"/api/v1/jobs/{video_id}"},
    )


@post(
    "/api/v1/streaming/upload",
    operation_class=_FormOperation,
    request_max_body_size=None,
    responses=failures(
        {
            400: "No title, not a video, or too large.",
            401: "No valid token.",
            408: "The body arrives too slowly.",
            409: "The idempotency key was used differently.",
            429: "Too many uploads of yours at once.",
            503: "The storage does not answer, or too many uploads at once. Nothing was kept.",
        }
    ),
    security=BEARER,
    status_code=202,
    summary="Upload a video in one request",
    tags=["uploads"],
)
async def upload_form(
    request: Request[Any, Any, Any],
    principal: NamedDependency[Principal],
    form_uploads: NamedDependency[FormUploads],
) -> Response[Success[Accepted]]:
    """Fields may stand before or after the file. The answer comes when the video is durable.

    Commas separate tags; one that contains a comma is added afterwards (POST /tags/{video}).
    """
    upload = await form_uploads.receive(
        principal.user_id,
        IncomingBody(request, form_uploads.pace()),
        content_type=request.headers.get("content-type"),
        idempotency_key=request.headers.get("idempotency-key"),
    )
    return accepted(upload.id)
