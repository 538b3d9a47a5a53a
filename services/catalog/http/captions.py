"""Captions of a video: its owner stores and removes them, whoever may see the video reads them."""

import hashlib
import time
from typing import Annotated, Any, Final

import msgspec
from litestar import Request, delete, get, put
from litestar.datastructures import State
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, JSONBody

from services.catalog.api_models import Captions, to_captions
from services.catalog.domain import NotYourVideo, RemoveCaptions, StoreCaptions
from services.catalog.http.access import find_visible, is_owner, run_command
from services.catalog.http.conditional import SHOWS, answers_apart
from services.catalog.http.dependencies import Caller, Catalog, MaybeCaller, TheCatalog
from services.catalog.queries.lists import Row
from shared.captions.cues import MAX_BYTES
from shared.captions.languages import language_tag
from shared.contracts import CaptionKind, CaptionTrack, StoredObject, new_id
from shared.errors import Detail, InvalidInput
from shared.http.envelope import Message, Success
from shared.http.openapi import BEARER
from shared.text_rules import RefusedText, clean_tag

AnyRequest = Request[Any, Any, State]

IMMUTABLE: Final = "public, max-age=31536000, immutable"
"""A changed file has another key."""


class CaptionsFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``text``: a WebVTT, SRT, TTML or ASS file of at most 512 KiB. ``label``: the language's name
    in menus, at most 50 characters; its tag without one. ``captions`` say what is heard besides
    speech."""

    text: Annotated[str, msgspec.Meta(max_length=MAX_BYTES)]
    label: str = ""
    kind: CaptionKind = "subtitles"


@get(
    "/videos/{video_id:str}/captions",
    opt={SHOWS: "video_id"},
    tags=["captions"],
    summary="Captions of a video",
)
async def captions(
    request: AnyRequest,
    video_id: FromPath[str],
    catalog: TheCatalog,
    optional_principal: MaybeCaller,
) -> Success[list[Captions]]:
    """One for each language, as WebVTT files."""
    row = await find_visible(catalog, video_id, optional_principal)
    answers_apart(request, row["user_id"])
    session = optional_principal.session_id if optional_principal else ""
    return Success(data=_shown(request, catalog, row, row["captions"], session))


@put(
    "/videos/{video_id:str}/captions/{language:str}",
    tags=["captions"],
    summary="Store captions",
    security=BEARER,
)
async def store_captions(
    request: AnyRequest,
    principal: Caller,
    video_id: FromPath[str],
    language: FromPath[str],
    data: JSONBody[CaptionsFile],
    *,
    catalog: TheCatalog,
) -> Success[Captions]:
    """In a language (a BCP 47 tag such as ``pt-BR``), instead of those that it has.

    Only text, times, places and a few tags are taken over: ``b``, ``i``, ``u``, ``ruby``, ``rt``
    and ``v``.
    """
    tag = _language(language)
    row = await find_visible(catalog, video_id, principal)
    if not is_owner(row, principal):
        raise NotYourVideo
    label = _label(data.label) if data.label else tag
    body = await catalog.conversions.webvtt(principal.user_id, data.text)
    # A key of its own, so that nothing deletes it for captions that were removed before.
    key = f"{row['id']}/captions/{tag}-{new_id()}.vtt"
    await catalog.media.put(key, body, "text/vtt", IMMUTABLE)
    stored = StoredObject(key=key, size=len(body), sha256=hashlib.sha256(body).hexdigest())
    track = CaptionTrack(language=tag, kind=data.kind, label=label, object=stored)
    await run_command(catalog, principal, row["id"], StoreCaptions(principal.user_id, track))
    return Success(data=_shown(request, catalog, row, [track], principal.session_id)[0])


@delete(
    "/videos/{video_id:str}/captions/{language:str}",
    status_code=200,
    tags=["captions"],
    summary="Remove captions",
    security=BEARER,
)
async def remove_captions(
    principal: Caller, video_id: FromPath[str], language: FromPath[str], catalog: TheCatalog
) -> Success[Message]:
    """The file is deleted some time later."""
    tag = _language(language)
    row = await find_visible(catalog, video_id, principal)
    await run_command(catalog, principal, row["id"], RemoveCaptions(principal.user_id, tag))
    return Success(data=Message(message="The captions were removed."))


HANDLERS: Final[list[HTTPRouteHandler]] = [captions, store_captions, remove_captions]


def _shown(
    request: AnyRequest, catalog: Catalog, row: Row, tracks: Any, session: str
) -> list[Captions]:
    links = catalog.links.for_request(request.headers.get("x-cinelog-origin"), session)
    return to_captions(tracks, links, links.token(row["id"], row["visibility"], time.time()))


def _language(text: str) -> str:
    tag = language_tag(text)
    if tag is None:
        raise _invalid("language", "must be a BCP 47 tag such as en or pt-BR")
    return tag


def _label(text: str) -> str:
    try:
        return clean_tag(text)
    except RefusedText as refused:
        raise _invalid("label", refused.problem) from None


def _invalid(field: str, problem: str) -> InvalidInput:
    return InvalidInput(f"The {field} {problem}.", [Detail(field, problem)])
