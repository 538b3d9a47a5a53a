"""What the sender of an upload says about the video: each field is declared once, here.

The form, tus, the IETF's draft and direct uploads parse their fields into ``Details``; a new field
is one more line of it. Pure.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Annotated, Any, Final, get_args

import msgspec
from msgspec import Meta

from shared.contracts import Downloads, HdrWish, Visibility
from shared.errors import Detail, InvalidInput
from shared.publication import check_publication, parse_moment, parse_visibility
from shared.text_rules import (
    MAX_DESCRIPTION,
    MAX_TAG,
    MAX_TITLE,
    RefusedText,
    clean_description,
    clean_tags,
    clean_title,
    without_unprintable,
)

MAX_FILENAME: Final = 255
_RULE: Final = "rule"
_SHOWN_NAME: Final = 40


class InvalidDetails(InvalidInput):
    """One or more fields break a rule; the error's details name them."""

    code = "invalid_details"


class UnknownField(InvalidInput):
    """What was sent has a field that nothing reads. It is refused, because it may matter: a
    misspelt visibility must not make a video public."""

    code = "unknown_field"

    def __init__(self, name: str) -> None:
        shown = without_unprintable(name)[:_SHOWN_NAME]
        super().__init__(f"There is no field {shown}.", [Detail(shown, "is not known")])


def safe_filename(filename: str) -> str:
    """The last part of a path, without unprintable characters. It is only ever displayed."""
    last = filename.replace("\\", "/").rpartition("/")[2]
    shown = without_unprintable(last).strip()
    return shown[-MAX_FILENAME:] if shown not in {".", ".."} else ""


def _field(rule: Callable[[Any], Any], **schema: Any) -> Meta:
    """``rule`` returns what is kept of a value or raises RefusedText; ``schema`` is for documents.

    msgspec itself enforces neither: lengths count only after a text is trimmed.
    """
    return Meta(extra={_RULE: rule}, extra_json_schema=schema)


def _kept_moment(text: str) -> str:
    return parse_moment(text).isoformat()


def _kept_wish(text: str) -> HdrWish:
    try:
        return msgspec.convert(text, HdrWish)
    except msgspec.ValidationError:
        raise RefusedText("must be keep or drop") from None


def _kept_downloads(text: str) -> Downloads:
    try:
        return msgspec.convert(text, Downloads)
    except msgspec.ValidationError:
        raise RefusedText("must be anyone or nobody") from None


class Details(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``title`` is None while it is not known, ``visibility`` where the account's default counts.

    ``publish_at``, for drafts, is a time in the form of RFC 3339. ``hdr``: whether renditions are
    to keep the HDR of the source; ``downloads``: who else may have the video as a file. None where
    the installation decides.
    """

    title: Annotated[
        str | None, _field(clean_title, type="string", minLength=1, maxLength=MAX_TITLE)
    ] = None
    description: Annotated[str, _field(clean_description, maxLength=MAX_DESCRIPTION)] = ""
    filename: Annotated[str, _field(safe_filename, maxLength=MAX_FILENAME)] = ""
    tags: Annotated[
        tuple[str, ...], _field(clean_tags, items={"type": "string", "maxLength": MAX_TAG})
    ] = msgspec.field(default_factory=tuple)
    visibility: Annotated[
        str | None, _field(parse_visibility, type="string", enum=[*get_args(Visibility)])
    ] = None
    publish_at: Annotated[str | None, _field(_kept_moment, type="string", format="date-time")] = (
        None
    )
    hdr: Annotated[str | None, _field(_kept_wish, type="string", enum=[*get_args(HdrWish)])] = None
    downloads: Annotated[
        str | None, _field(_kept_downloads, type="string", enum=[*get_args(Downloads)])
    ] = None

    @property
    def shown(self) -> Visibility | None:
        """``visibility`` of checked details."""
        return None if self.visibility is None else parse_visibility(self.visibility)

    @property
    def published(self) -> datetime | None:
        """``publish_at`` of checked details."""
        return None if self.publish_at is None else parse_moment(self.publish_at)

    @property
    def wish(self) -> HdrWish | None:
        """``hdr`` of checked details."""
        return None if self.hdr is None else _kept_wish(self.hdr)

    @property
    def offered(self) -> Downloads | None:
        """``downloads`` of checked details."""
        return None if self.downloads is None else _kept_downloads(self.downloads)


NAMES: Final = Details.__struct_fields__


def parse_details(pairs: Iterable[tuple[str, str]], others: Collection[str] = ()) -> Details:
    """Details from a protocol's pairs of name and text, unchecked.

    Of several pairs with one name the last counts. A list's items are separated by commas, and all
    its pairs count. Raises UnknownField for a name that is neither ours nor one of ``others``,
    which mean something else in the protocol.
    """
    texts: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    for name, text in pairs:
        if name in _LISTS:
            lists.setdefault(name, []).extend(item for item in text.split(",") if item.strip())
        elif name in NAMES:
            texts[name] = text
        elif name not in others:
            raise UnknownField(name)
    return msgspec.convert(texts | lists, Details)


def check_details(given: Details, *, partial: bool = False) -> Details:
    """The fields as they are kept. With ``partial`` the title may still be missing.

    Raises InvalidDetails with every field that breaks its rule.
    """
    kept: dict[str, Any] = {}
    wrong: list[Detail] = []
    for name, rule in _RULES.items():
        value = getattr(given, name)
        try:
            kept[name] = None if value is None else rule(value)
        except RefusedText as refused:
            wrong.append(Detail(name, refused.problem))
    if given.title is None and not partial:
        wrong.insert(0, Detail("title", "is missing"))
    if wrong:
        problems = "; ".join(f"{detail.field} {detail.message}" for detail in wrong)
        raise InvalidDetails(f"{problems[:1].upper()}{problems[1:]}.", wrong)
    return Details(**kept)


def with_visibility(given: Details, default: Visibility, now: datetime) -> Details:
    """Checked details with ``default`` where they say no visibility.

    Raises InvalidDetails where the video cannot be published at the time that they say.
    """
    visibility = given.shown or default
    try:
        check_publication(visibility, given.published, now)
    except RefusedText as refused:
        message = f"Publish_at {refused.problem}."
        raise InvalidDetails(message, [Detail("publish_at", refused.problem)]) from None
    return msgspec.structs.replace(given, visibility=visibility)


def titled_by_filename(given: Details) -> Details:
    """``given``, with the file's name without its extension where the title is missing."""
    if given.title:
        return given
    name = safe_filename(given.filename)
    stem = (name.rpartition(".")[0] or name)[:MAX_TITLE]
    try:
        return msgspec.structs.replace(given, title=clean_title(stem))
    except RefusedText:
        return msgspec.structs.replace(given, title=None)


def details_schema() -> dict[str, Any]:
    """The JSON Schema of each field, by its name."""
    _, components = msgspec.json.schema_components([Details])
    return components[Details.__name__]["properties"]


def _declared() -> tuple[dict[str, Callable[[Any], Any]], frozenset[str]]:
    """The rule of each field, and the names of those that are lists."""
    rules: dict[str, Callable[[Any], Any]] = {}
    lists: set[str] = set()
    info = msgspec.inspect.type_info(Details)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        assert isinstance(field.type, msgspec.inspect.Metadata)
        rules[field.name] = (field.type.extra or {})[_RULE]
        if isinstance(field.type.type, msgspec.inspect.VarTupleType):
            lists.add(field.name)
    return rules, frozenset(lists)


_RULES, _LISTS = _declared()
