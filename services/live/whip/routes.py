"""``/api/v1/live/whip``: WebRTC publishers, such as browsers (WHIP, RFC 9725).

The bearer token is the stream key, or, below ``/api/v1/live/streams/{id}/whip``, the access token
of the stream's owner. A publisher that has connected answers to no other request than those of its
own resource, with the same bearer; the resource's name cannot be guessed.
"""

from typing import Annotated, Any, Final

from litestar import HttpMethod, Request, Response, Router, delete, patch, post, route
from litestar.di import NamedDependency, Provide
from litestar.params import Parameter

from services.live.ports import Credential, OwnStream, Refused
from services.live.whip.ice import NotConnected, UnusableFragment, read_fragment
from services.live.whip.ice_servers import IceServers
from services.live.whip.peer import OtherMedia, UnusableOffer
from services.live.whip.server import Connected, Whip
from shared import errors
from shared.http.access_tokens import bearer_token
from shared.http.client import client_address
from shared.http.identity import require_user

_STREAMS: Final = "/api/v1/live/streams"
_BASE: Final = "/api/v1/live/whip"
_OFFER: Final = "application/sdp"
_FRAGMENT: Final = "application/trickle-ice-sdpfrag"
_MAX_SDP: Final = 64 * 1024

Resource = Annotated[str, Parameter(max_length=100, description="The connection.")]
LiveId = Annotated[
    str,
    Parameter(
        pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
        description="The live stream's id.",
    ),
]
Incoming = Request[Any, Any, Any]
TheWhip = NamedDependency[Whip]
TheServers = NamedDependency[IceServers]


class UnknownKey(errors.Unauthenticated):
    """No stream has this key."""

    code = "unknown_stream_key"


class WrongBearer(errors.Unauthenticated):
    """The connection is another's."""

    code = "wrong_bearer"


class StreamRefused(errors.Conflict):
    """The stream cannot be published now."""

    code = "stream_refused"


class AlreadyLive(StreamRefused):
    """Another publisher sends; it may be the one that this one follows, for some seconds."""

    code = "already_live"


class StreamBusy(errors.Unavailable):
    """There is no room for another live at the moment."""

    code = "live_unavailable"


class AccountFull(errors.Forbidden):
    """The account uses all that it is allowed."""

    code = "quota_exceeded"


class OfferRefused(errors.InvalidInput):
    """The offer cannot be used."""

    code = "unusable_offer"


class MediaRefused(errors.NotAcceptable):
    """What the offer would send cannot be taken."""

    code = "unusable_media"


class NoConnection(errors.NotFound):
    """The connection has ended."""

    code = "no_connection"


class NotYetConnected(errors.Conflict):
    """ICE cannot be restarted before it was there."""

    code = "not_connected"


_REFUSALS: Final[dict[str, type[errors.CinelogError]]] = {
    "unknown_key": UnknownKey,
    "already_live": AlreadyLive,
    "full": AccountFull,
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


async def _publish(
    request: Incoming, credential: Credential, whip: Whip, servers: IceServers
) -> Response[str]:
    offer = await _sdp(request, _OFFER)
    try:
        answer = await whip.publish(
            credential,
            offer,
            address=client_address(request),
            software=request.headers.get("user-agent", "")[:200],
        )
    except Refused as refused:
        raise _REFUSALS.get(refused.code, StreamRefused)(refused.text) from refused
    except UnusableOffer as unusable:
        raise OfferRefused(str(unusable)) from unusable
    except OtherMedia as other:
        raise MediaRefused(str(other)) from other
    headers = {
        "location": f"{_BASE}/{answer.resource}",
        "etag": f'"{answer.generation}"',
        "accept-patch": _FRAGMENT,
        "cache-control": "no-store",
        **_links(servers, answer.resource),
    }
    return Response(answer.sdp, status_code=201, media_type=_OFFER, headers=headers)


def _links(servers: IceServers, resource: str) -> dict[str, str]:
    """The ICE servers, for this publisher's session."""
    links = servers.links(resource.partition(".")[0])
    return {"link": ", ".join(links)} if links else {}


@post("/", status_code=201, media_type=_OFFER)
async def publish(request: Incoming, whip: TheWhip, servers: TheServers) -> Response[str]:
    """The body is an SDP offer with one picture in H.264 and at most one sound in Opus. Location
    is the resource that PATCH sends candidates to and DELETE ends."""
    key = bearer_token(request.headers.get("authorization"))
    if not key:
        raise UnknownKey("Send the stream key as bearer token.")
    return await _publish(request, key, whip, servers)


@post("/{live_id:str}/whip", status_code=201, media_type=_OFFER)
async def publish_own(
    request: Incoming, live_id: LiveId, whip: TheWhip, servers: TheServers
) -> Response[str]:
    """The same for the stream's owner, who is signed in and needs no key."""
    principal = await require_user(request)
    own = OwnStream(live_id=live_id, user_id=principal.user_id)
    try:
        return await _publish(request, own, whip, servers)
    except UnknownKey:
        raise errors.NotFound("There is no such live stream.") from None


async def _connected(request: Incoming, resource: str, whip: Whip) -> Connected:
    """The connection, for who has its bearer. Raises NoConnection, WrongBearer."""
    connected = whip.connected(resource)
    if connected is None:
        raise NoConnection("This connection has ended.")
    bearer = bearer_token(request.headers.get("authorization"))
    if not bearer:
        raise WrongBearer("Send the bearer token that the connection was made with.")
    if connected.live_id is None:
        credential: Credential = bearer
    else:
        principal = await require_user(request)
        credential = OwnStream(live_id=connected.live_id, user_id=principal.user_id)
    if not connected.is_held_by(credential):
        raise WrongBearer("This connection was made with another bearer token.")
    return connected


@patch("/{resource:str}", status_code=200)
async def change(
    request: Incoming, resource: Resource, whip: TheWhip, servers: TheServers
) -> Response[str | None]:
    """Candidates of the ICE session that If-Match names (RFC 8840); with ``If-Match: *``, a
    restart of ICE, which is answered with this side's new credentials and candidates."""
    connected = await _connected(request, resource, whip)
    whip.count_change(connected)
    peer = connected.peer
    fragment = read_fragment(await _sdp(request, _FRAGMENT))
    wanted = request.headers.get("if-match", "").strip()
    if not wanted:
        raise errors.PreconditionRequired("Send If-Match: the ETag, or * to restart ICE.")
    # Some clients send the star as an entity tag.
    restart = wanted in ("*", '"*"')
    if not restart and f'"{peer.generation}"' not in wanted:
        raise errors.PreconditionFailed("These candidates belong to an earlier ICE session.")
    try:
        if not restart:
            await peer.add_candidates(fragment.candidates)
            return Response(None, status_code=204)
        answer = await peer.restart(fragment)
    except UnusableFragment as unusable:
        raise OfferRefused(str(unusable)) from unusable
    except NotConnected:
        raise NotYetConnected("There is no connection to restart: send a new offer.") from None
    headers = {"etag": f'"{peer.generation}"', **_links(servers, resource)}
    return Response(answer, status_code=200, media_type=_FRAGMENT, headers=headers)


@delete("/{resource:str}", status_code=200)
async def end(request: Incoming, resource: Resource, whip: TheWhip) -> Response[None]:
    """End the connection. The live goes on for its reconnect window."""
    (await _connected(request, resource, whip)).peer.end()
    return Response(None, status_code=200)


@route("/", http_method=[HttpMethod.OPTIONS], status_code=204)
async def what_to_post() -> Response[None]:
    """What an offer is; asked without a bearer, so it names no ICE servers."""
    headers = {"allow": "OPTIONS, POST", "accept-post": _OFFER}
    return Response(None, status_code=204, headers=headers)


@route("/{resource:str}", http_method=[HttpMethod.OPTIONS], status_code=204)
async def what_to_patch() -> Response[None]:
    headers = {"allow": "DELETE, OPTIONS, PATCH", "accept-patch": _FRAGMENT}
    return Response(None, status_code=204, headers=headers)


@route("/{live_id:str}/whip", http_method=[HttpMethod.OPTIONS], status_code=204)
async def what_to_post_own() -> Response[None]:
    headers = {"allow": "OPTIONS, POST", "accept-post": _OFFER}
    return Response(None, status_code=204, headers=headers)


def whip_routers(whip: Whip, servers: IceServers) -> list[Router]:
    """All routes. They are not in the API's document: it is the same where WHIP is off, and what
    they take is SDP, of which the standard says enough."""
    dependencies = {
        "whip": Provide(lambda: whip, sync_to_thread=False),
        "servers": Provide(lambda: servers, sync_to_thread=False),
    }
    return [
        Router(
            _BASE,
            include_in_schema=False,
            route_handlers=[what_to_post, publish, what_to_patch, change, end],
            dependencies=dependencies,
        ),
        Router(
            _STREAMS,
            include_in_schema=False,
            route_handlers=[what_to_post_own, publish_own],
            dependencies=dependencies,
        ),
    ]
