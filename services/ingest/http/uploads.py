"""``/api/v1/uploads``: routes that two protocols share, and which one a request uses."""

from types import ModuleType
from typing import Annotated, Any, Final

from litestar import Request, Response, Router, delete, head, patch, post, route
from litestar.di import NamedDependency
from litestar.params import Parameter

from services.ingest import draft
from services.ingest.handlers.resumable import Resumable
from services.ingest.http import draft as draft_http
from services.ingest.http import tus
from services.ingest.http.failures import failures
from services.ingest.http.tus import UPLOADS, TusResumable, on_tus_error
from services.ingest.tus import TusError
from shared.errors import InvalidInput
from shared.http.identity import Principal
from shared.http.openapi import BEARER

Incoming = Request[Any, Any, Any]
UploadId = Annotated[
    str,
    Parameter(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="The upload's id."
    ),
]

_FAILURES: Final = failures(
    {
        400: "The request breaks the protocol, or is no video.",
        401: "No valid token.",
        404: "No such upload of yours; it may have expired.",
        408: "The body arrives too slowly. What arrived is kept.",
        409: "Another offset, or another request has taken over.",
        412: "Another version of the protocol.",
        413: "Larger than announced or accepted.",
        429: "Too many uploads of yours at once.",
        460: "The checksum does not match.",
    }
)


def _protocol(request: Incoming) -> ModuleType:
    """The module of a request's protocol: both have the same four operations."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    return draft_http if draft.speaks(request.method, headers) else tus


@route("/", http_method="OPTIONS", summary="What resumable uploads can do")
async def options(resumable: NamedDependency[Resumable]) -> Response[None]:
    return tus.capabilities(resumable)


@post("/", status_code=201, responses=_FAILURES, summary="Begin a resumable upload (tus)")
async def create(
    request: Incoming,
    principal: NamedDependency[Principal],
    resumable: NamedDependency[Resumable],
) -> Response[Any]:
    """Title, description, visibility, publish_at, hdr, downloads, filename, filetype and tags,
    separated by commas, in Upload-Metadata. Other names are refused, but for those that common
    clients send."""
    return await _protocol(request).create(request, principal.user_id, resumable)


@head("/{upload_id:str}", summary="Where a resumable upload stands")
async def inspect(
    request: Incoming,
    upload_id: UploadId,
    principal: NamedDependency[Principal],
    resumable: NamedDependency[Resumable],
) -> Response[None]:
    return await _protocol(request).inspect(request, principal.user_id, upload_id, resumable)


@patch("/{upload_id:str}", status_code=204, responses=_FAILURES, summary="The next bytes")
async def append(
    request: Incoming,
    upload_id: UploadId,
    principal: NamedDependency[Principal],
    resumable: NamedDependency[Resumable],
) -> Response[None]:
    """The answer comes when the bytes are durable. The last bytes complete the upload."""
    return await _protocol(request).append(request, principal.user_id, upload_id, resumable)


@delete("/{upload_id:str}", status_code=204, responses=_FAILURES, summary="Give an upload up")
async def terminate(
    request: Incoming,
    upload_id: UploadId,
    principal: NamedDependency[Principal],
    resumable: NamedDependency[Resumable],
) -> Response[None]:
    return await _protocol(request).terminate(request, principal.user_id, upload_id, resumable)


@post("/{upload_id:str}", status_code=204, include_in_schema=False)
async def override(
    request: Incoming,
    upload_id: UploadId,
    principal: NamedDependency[Principal],
    resumable: NamedDependency[Resumable],
) -> Response[None]:
    """For clients that can only POST: X-HTTP-Method-Override names the method."""
    methods = {"PATCH": tus.append, "DELETE": tus.terminate, "HEAD": tus.inspect}
    method = methods.get(request.headers.get("x-http-method-override", ""))
    if method is None:
        raise InvalidInput("X-HTTP-Method-Override must be PATCH, DELETE or HEAD.")
    return await method(request, principal.user_id, upload_id, resumable)


def uploads_router() -> Router:
    """The routes of resumable uploads."""
    return Router(
        UPLOADS,
        route_handlers=[options, create, inspect, append, terminate, override],
        middleware=[TusResumable],
        exception_handlers={TusError: on_tus_error},
        request_max_body_size=None,
        security=BEARER,
        tags=["uploads"],
    )
