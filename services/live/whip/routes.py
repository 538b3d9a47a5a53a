"""``/api/v1/live/whip``: WebRTC publishers, such as browsers (WHIP, RFC 9725).

The stream key is the bearer token. A publisher that has connected answers to no other request
than those of its own resource, whose name cannot be guessed.
"""

from typing import Annotated, Any, Final

from litestar import Request, Response, Router, delete, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import Parameter

from services.live.ports import Refused
from services.live.whip.peer import UnusableOffer
from services.live.whip.server import Whip
from shared import errors
from shared.http.client import client_address

_BASE: Final = "/api/v1/live/whip"
_OFFER: Final = "application/sdp"
_FRAGMENT: Final = "application/trickle-ice-sdpfrag"
_MAX_SDP: Final = 64 * 1024

Resource = Annotated[str, Parameter(pattern=r"^[A-Za-z0-9_-]{32}$", description="The connection.")]
Incoming = Request[Any, Any, Any]


class UnknownKey(errors.Unauthenticated):
    """No stream has this key."""

    code = "unknown_stream_key"


class StreamRefused(errors.Conflict):
    """The stream cannot be published now."""

    code = "stream_refused"


class StreamBusy(errors.Unavailable):
    """There is no room for another live at the moment."""

    code = "live_unavailable"


class OfferRefused(errors.InvalidInput):
    """The offer cannot be used."""

    code = "unusable_offer"


class NoConnection(errors.NotFound):
    """The connection has ended."""

    code = "no_connection"


_REFUSALS: Final[dict[str, type[errors.CinelogError]]] = {
    "unknown_key": UnknownKey,
    "busy": StreamBusy,
    "unavailable": StreamBusy,
}


async def _sdp(request: Incoming, content_type: str) -> str:
    """The body, of one type only. Raises UnsupportedMedia, InvalidInput."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != content_type:
        raise errors.UnsupportedMedia(f"Send {content_type}.")
    body = await request.body()
    if len(body) > _MAX_SDP:
        raise errors.TooLarge("The description is too long.")
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise OfferRefused("The description is no text.") from error


@post(
    "/",
    status_code=201,
    summary="Publish by WebRTC (WHIP)",
    media_type=_OFFER,
)
async def publish(request: Incoming, whip: NamedDependency[Whip]) -> Response[str]:
    """The body is an SDP offer with one picture in H.264 and at most one sound in Opus. Location
    is the resource that PATCH sends candidates to and DELETE ends."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise UnknownKey("Send the stream key as bearer token.")
    offer = await _sdp(request, _OFFER)
    try:
        answer = await whip.publish(
            key.strip(),
            offer,
            address=client_address(request),
            software=request.headers.get("user-agent", "")[:200],
        )
    except Refused as refused:
        raise _REFUSALS.get(refused.code, StreamRefused)(refused.text) from refused
    except UnusableOffer as unusable:
        raise OfferRefused(str(unusable)) from unusable
    return Response(
        answer.sdp,
        status_code=201,
        media_type=_OFFER,
        headers={"location": f"{_BASE}/{answer.resource}"},
    )


@patch("/{resource:str}", status_code=204, summary="Candidates of a WebRTC publisher")
async def add_candidates(
    request: Incoming, resource: Resource, whip: NamedDependency[Whip]
) -> Response[None]:
    """Trickle ICE (RFC 8840). Restarts of ICE are refused: connect again instead, the live waits
    for you."""
    peer = whip.peer(resource)
    if peer is None:
        raise NoConnection("This connection has ended.")
    fragment = await _sdp(request, _FRAGMENT)
    lines = fragment.replace("\r\n", "\n").split("\n")
    found = [line.removeprefix("a=candidate:") for line in lines if line.startswith("a=candidate:")]
    try:
        await peer.add_candidates(found)
    except UnusableOffer as unusable:
        raise OfferRefused(str(unusable)) from unusable
    return Response(None, status_code=204)


@delete("/{resource:str}", status_code=200, summary="End a WebRTC publisher")
async def end(resource: Resource, whip: NamedDependency[Whip]) -> Response[None]:
    peer = whip.peer(resource)
    if peer is None:
        raise NoConnection("This connection has ended.")
    peer.end()
    return Response(None, status_code=200)


def whip_router(whip: Whip) -> Router:
    """All routes. They are not in the API's document: it is the same where WHIP is off, and what
    they take is SDP, of which the standard says enough."""
    return Router(
        _BASE,
        include_in_schema=False,
        route_handlers=[publish, add_candidates, end],
        dependencies={"whip": Provide(lambda: whip, sync_to_thread=False)},
    )
