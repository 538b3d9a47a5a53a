"""The IETF's resumable uploads on ``/api/v1/uploads``: headers to handlers and back."""

from collections.abc import Mapping
from typing import Any

from litestar import Request, Response

from services.ingest import draft
from services.ingest.details import NAMES, UnknownField
from services.ingest.handlers.idempotency import checked_key
from services.ingest.handlers.resumable import Resumable
from services.ingest.http.body import IncomingBody
from services.ingest.http.form import Accepted, accepted
from services.ingest.http.tus import UPLOADS
from services.ingest.ports import Upload
from services.ingest.tus import Creation
from shared.http.envelope import Success

Answer = Response[Success[Accepted]] | Response[None]


async def create(request: Request[Any, Any, Any], user_id: str, resumable: Resumable) -> Answer:
    """POST: details in the query, the file's name in Content-Disposition."""
    headers = _headers(request)
    said = draft.announced(headers, 0)
    metadata = {name: request.query_params[name] for name in request.query_params}
    for name in metadata.keys() - NAMES:
        raise UnknownField(name)
    filename = draft.filename(headers) or metadata.get("filename", "")
    upload = await resumable.create(
        user_id,
        Creation(length=said.length, metadata=metadata | {"filename": filename}),
        idempotency_key=checked_key(headers.get("idempotency-key")),
    )
    if upload.phase == "open" and upload.received == 0:
        upload = await resumable.append(
            user_id,
            upload.id,
            0,
            IncomingBody(request, resumable.pace()),
            finish=said.complete,
        )
    return _answer(upload, resumable, status=201)


async def inspect(
    request: Request[Any, Any, Any], user_id: str, upload_id: str, resumable: Resumable
) -> Answer:
    """HEAD: the offset to go on from."""
    upload = await resumable.inspect(user_id, upload_id, finish=False)
    headers = _state(upload, resumable) | {"cache-control": "no-store"}
    if upload.length is not None:
        headers["upload-length"] = str(upload.length)
    return Response(None, status_code=204, headers=headers)


async def append(
    request: Request[Any, Any, Any], user_id: str, upload_id: str, resumable: Resumable
) -> Answer:
    """PATCH: the next bytes; the client marks the last ones."""
    headers = _headers(request)
    offset = draft.offset(headers)
    said = draft.announced(headers, offset)
    upload = await resumable.append(
        user_id,
        upload_id,
        offset,
        IncomingBody(request, resumable.pace()),
        length=said.length,
        finish=said.complete,
    )
    return _answer(upload, resumable, status=204)


async def terminate(
    request: Request[Any, Any, Any], user_id: str, upload_id: str, resumable: Resumable
) -> Answer:
    """DELETE: end the upload."""
    await resumable.terminate(user_id, upload_id)
    return Response(None, status_code=204)


def _answer(upload: Upload, resumable: Resumable, *, status: int) -> Answer:
    state = _state(upload, resumable)
    if upload.phase == "completed":
        done = accepted(upload.id)
        done.headers.update(state)
        return done
    location = {"location": f"{UPLOADS}/{upload.id}"} if status == 201 else {}
    return Response(None, status_code=status, headers=state | location)


def _state(upload: Upload, resumable: Resumable) -> dict[str, str]:
    complete = upload.phase == "completed"
    left = None if complete else (upload.expires_at - upload.read_at).total_seconds()
    return {
        "upload-offset": str(upload.received),
        "upload-complete": "?1" if complete else "?0",
        "upload-limit": draft.limits(resumable.max_bytes, left),
    }


def _headers(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}
