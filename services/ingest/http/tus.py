"""tus 1.0.0 on ``/api/v1/uploads``: headers to handlers and back."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from litestar import MediaType, Request, Response
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from services.ingest import draft, tus
from services.ingest.handlers.idempotency import checked_key
from services.ingest.handlers.resumable import Resumable
from services.ingest.http.body import IncomingBody
from services.ingest.ports import Upload
from services.ingest.tus import OffsetMismatch, TusError
from shared.http import problems

UPLOADS: Final = "/api/v1/uploads"


class TusResumable:
    """Middleware: every answer names the version of the protocol."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_version(message: Message) -> None:
            if message["type"] == "http.response.start":
                version = (b"tus-resumable", tus.VERSION.encode())
                message["headers"] = [*message["headers"], version]
            await send(message)

        await self._app(scope, receive, with_version)


def on_tus_error(request: Request[Any, Any, Any], error: TusError) -> Response[bytes]:
    """The protocol's own statuses (412, 415, 460), in the envelope of all errors."""
    problem = msgspec.structs.replace(problems.problem_of(error), code=error.status)
    headers = {"tus-version": tus.VERSION} if error.status == 412 else {}
    if isinstance(error, OffsetMismatch):
        headers["upload-offset"] = str(error.offset)
    return Response(
        problems.body(problem),
        status_code=error.status,
        headers=headers,
        media_type=MediaType.JSON,
    )


def capabilities(resumable: Resumable) -> Response[None]:
    """The answer to OPTIONS, which needs neither login nor version."""
    return Response(
        None,
        status_code=204,
        headers={
            "tus-version": tus.VERSION,
            "tus-max-size": str(resumable.max_bytes),
            "tus-extension": ",".join(tus.EXTENSIONS),
            "tus-checksum-algorithm": ",".join(tus.CHECKSUM_ALGORITHMS),
            "accept-patch": f"{tus.CONTENT_TYPE}, {draft.CONTENT_TYPE}",
            "upload-limit": draft.limits(resumable.max_bytes),
        },
    )


async def create(
    request: Request[Any, Any, Any], user_id: str, resumable: Resumable
) -> Response[None]:
    """POST: creation, creation-with-upload, concatenation."""
    headers = _headers(request)
    tus.check_version(headers)
    creation = tus.parse_creation(headers)
    checksum = tus.parse_checksum(headers)
    with_upload = headers.get("content-type") == tus.CONTENT_TYPE and creation.final is None
    key = checked_key(headers.get("idempotency-key"))
    upload = await resumable.create(user_id, creation, idempotency_key=key)
    # A repeated creation finds bytes already: its client goes on from the offset.
    if with_upload and upload.phase == "open" and upload.received == 0:
        upload = await resumable.append(
            user_id, upload.id, 0, IncomingBody(request, resumable.pace()), checksum=checksum
        )
    answer = {"location": f"{UPLOADS}/{upload.id}", **_expiry(upload)}
    if with_upload or upload.joined:
        answer["upload-offset"] = str(upload.received)
    return Response(None, status_code=201, headers=answer)


async def inspect(
    request: Request[Any, Any, Any], user_id: str, upload_id: str, resumable: Resumable
) -> Response[None]:
    """HEAD: the offset to go on from."""
    tus.check_version(_headers(request))
    upload = await resumable.inspect(user_id, upload_id)
    answer = {"upload-offset": str(upload.received), "cache-control": "no-store"}
    if upload.length is None:
        answer["upload-defer-length"] = "1"
    else:
        answer["upload-length"] = str(upload.length)
    if upload.metadata:
        answer["upload-metadata"] = upload.metadata
    if upload.partial:
        answer["upload-concat"] = "partial"
    elif upload.joined:
        urls = " ".join(f"{UPLOADS}/{part}" for part in upload.joined)
        answer["upload-concat"] = f"final;{urls}"
    return Response(None, status_code=200, headers=answer | _expiry(upload))


async def append(
    request: Request[Any, Any, Any], user_id: str, upload_id: str, resumable: Resumable
) -> Response[None]:
    """PATCH: the next bytes."""
    headers = _headers(request)
    tus.check_version(headers)
    tus.check_content_type(headers)
    upload = await resumable.append(
        user_id,
        upload_id,
        tus.parse_offset(headers),
        IncomingBody(request, resumable.pace()),
        length=tus.parse_number(headers, "upload-length"),
        checksum=tus.parse_checksum(headers),
    )
    answer = {"upload-offset": str(upload.received), **_expiry(upload)}
    return Response(None, status_code=204, headers=answer)


async def terminate(
    request: Request[Any, Any, Any], user_id: str, upload_id: str, resumable: Resumable
) -> Response[None]:
    """DELETE: end the upload."""
    tus.check_version(_headers(request))
    await resumable.terminate(user_id, upload_id)
    return Response(None, status_code=204)


def _headers(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _expiry(upload: Upload) -> dict[str, str]:
    return {"upload-expires": tus.expires(upload.expires_at)} if upload.phase == "open" else {}
