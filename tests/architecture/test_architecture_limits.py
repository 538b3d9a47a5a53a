"""docs/limits.md against the code: settings with their defaults, fixed numbers, codes, metrics."""

import re
from collections.abc import Iterator
from itertools import pairwise

import msgspec
import pytest
from msgspec import Struct

from services.auth import event_outbox, passwords
from services.auth.handlers import session_opener
from services.auth.settings import AuthSettings
from services.catalog import captions as catalog_captions
from services.catalog.http import conversions, histories
from services.catalog.queries import search, search_turns, totals
from services.catalog.webhooks import webhook_delivery, webhooks
from services.gateway import settings as gateway_settings
from services.gateway.http1 import request_body
from services.gateway.http1.h1_pool import PoolLimits
from services.gateway.limits import connections, open_requests
from services.gateway.pages import catalog_facts, site, sitemaps
from services.gateway.request import exchange
from services.gateway.settings import GatewaySettings
from services.gateway.upstream import live_origin
from services.ingest import open_uploads_repository
from services.ingest.handlers import discarded, upload_slots
from services.ingest.settings import IngestSettings
from services.live.chat import readers, room_log
from services.live.packaging import limits as packaging_limits
from services.live.rtmp import allowance, wire
from services.live.settings import LiveSettings
from services.live.simulcast import backlog
from services.live.srt import doorstep, key_changes
from services.live.srt import library as srt
from services.live.srt import listener as srt_listener
from services.live.srt import publishers as srt_publishers
from services.live.whip import gate, peer
from services.live.whip import server as whip
from services.live.window import answers
from services.transcoder.coordinator import downloads
from services.transcoder.jobs.retries import TooManyRetries
from services.transcoder.planning import texts
from services.transcoder.settings import CoordinatorSettings, WorkerSettings
from shared import database_sessions, publication
from shared.captions import cues
from shared.database import connect
from shared.errors import CinelogError
from shared.event_store import changes
from shared.http import lingering, paging, problems, server
from shared.settings import Settings
from shared.token_bucket import MICROS
from tests.support.documents import ROOT

DOCUMENT = ROOT / "docs" / "limits.md"
SETTINGS: tuple[type[Settings], ...] = (
    GatewaySettings,
    AuthSettings,
    IngestSettings,
    LiveSettings,
    CoordinatorSettings,
    WorkerSettings,
)
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
# Rows whose limit is no setting: the numbers that the row names, in its order.
FIXED: dict[str, list[float]] = {
    "pictures and packets of sound in one file, file": [downloads.MAX_SAMPLES, 30],
    "logins of known devices, address": [gateway_settings.DEVICES],
    "checks of passwords under way, known device or address": [passwords.WAITING_PER_CALLER],
    "open sessions, account": [session_opener.MAX_SESSIONS, session_opener.MAX_ENDED],
    "checks of passwords under way, process": [passwords.WAITING, passwords.WAIT_SECONDS],
    "bytes of bodies with a checksum that were thrown away, user": [
        discarded.BURST * discarded.MIB,
        discarded.MIB,
    ],
    "bytes of deleted videos that are still stored, for `DELETED_VIDEO_HOURS`, account": [],
    "changes in a day: uploads begun, edits, tags, new stream keys, targets, sessions, account": [
        changes.PER_DAY
    ],
    "changes of e-mail address, password and default visibility in a day, account": [
        event_outbox.CHANGES_PER_DAY
    ],
    "refused requests whose body is still read, for 30 s at most, pauses of 5 s, so that the client"
    " sees the answer, address": [
        lingering.TOTAL_SECONDS,
        lingering.IDLE_SECONDS,
        open_requests.REFUSED_PER_ADDRESS,
    ],
    "slots for uploads, address": [],
    "open uploads in one answer, request": [open_uploads_repository.MOST_LISTED],
    "pages of videos and channels that wait for the catalog, address": [site.AT_ONCE],
    "sitemaps, site": [sitemaps.PAGES, catalog_facts.PAGE],
    "slots for small uploads, up to 64 KiB, process": [
        upload_slots.SMALL,
        upload_slots.SMALL_AT_ONCE,
        upload_slots.WAITING,
        upload_slots.WAITING_PER_USER,
        upload_slots.WAIT_SECONDS,
    ],
    "what SRT holds for a simulcast target, until it has said that it has it, target": [
        srt.SEND_BYTES
    ],
    "what waits for a simulcast target, target": [backlog.MAX_BYTES, backlog.MAX_MS / 1000],
    "messages and chunks of a publisher by RTMP before it says what it publishes, connection": [
        allowance.PIECES_BEFORE
    ],
    "messages of a publisher by RTMP, and chunks of less than 128 bytes, session": [
        wire.LEAST_CHUNK_BYTES,
        MICROS / allowance.PIECES.interval,
        allowance.PIECES.burst,
    ],
    "days until a planned live, stream": [publication.LONGEST_WAIT.days],
    "segments of a running live that are loaded, live": [
        live_origin.SEGMENTS_OF_LIVE,
        live_origin.WAITING_OF_LIVE,
        live_origin.WAIT_SECONDS,
    ],
    "segments of running lives that are loaded, process of the gateway": [live_origin.SEGMENTS],
    "playlists and parts of a running live that are waited for, each for all its viewers, live": [
        live_origin.EDGES_OF_LIVE,
        live_origin.WAITING_OF_LIVE,
        live_origin.WAIT_SECONDS,
    ],
    "playlists, parts and segments of running lives that are waited for, process of the gateway": [
        live_origin.MAX_FETCHES
    ],
    "how far ahead a reload of a playlist may be, reload": [
        answers.SEGMENTS_AHEAD,
        answers.PARTS_AHEAD,
        answers.SECONDS_AHEAD,
    ],
    "readers of a chat, address": [readers.PER_ADDRESS],
    "readers of a chat, chat": [readers.PER_ROOM],
    "events that a reader of a chat is behind, reader": [readers.QUEUE],
    "messages of a chat, user": [room_log.PER_USER.burst, 10**6 / room_log.PER_USER.interval],
    "messages of a chat, address": [
        room_log.PER_ADDRESS.burst,
        10**6 / room_log.PER_ADDRESS.interval,
    ],
    "messages of a chat, chat": [room_log.PER_ROOM.burst, 10**6 / room_log.PER_ROOM.interval],
    "messages that a chat has, chat": [room_log.MAX_ENTRIES],
    "connections to storage, reader": [exchange.SLOW_SECONDS, 256 << 10],
    "the time of an answer, request": [exchange.PIECE, exchange.STALL_SECONDS],
    "the time of an answer that is in memory, up to 256 KiB, connection": [
        exchange.WHOLE,
        exchange.STALL_SECONDS,
    ],
    "the time of a body up to 64 KiB, request": [
        request_body.WHOLE,
        request_body.SHORT_BODY_SECONDS,
    ],
    "the time of a longer body, request": [
        request_body.MIN_BYTES_PER_SECOND,
        request_body.SLOW_SECONDS,
    ],
    "connections, process": [server.CONNECTIONS],
    "the time of a request's head, connection": [server.HEAD_SECONDS],
    "connections to a service, process": [
        PoolLimits().connections,
        PoolLimits().waiting,
        PoolLimits().wait,
    ],
    "captions of one video, video": [catalog_captions.MAX_CAPTIONS],
    "a file of captions, file": [cues.MAX_BYTES, cues.MAX_CUES, cues.MAX_CUE_TEXT],
    "text tracks that are read of a source, source": [texts.MAX_TEXTS, cues.MAX_BYTES],
    "files of captions, user": [conversions.FILES, conversions._BUCKET.interval / 10**6],
    "webhooks, account": [webhooks.MAX_WEBHOOKS],
    "deliveries of webhooks under way, account": [webhook_delivery._OF_USER_AT_ONCE],
    "deliveries of webhooks under way, process": [
        webhook_delivery._AT_ONCE,
        webhook_delivery._SLOW_AT_ONCE,
    ],
    "handshakes by SRT, address": [
        srt_publishers.PER_ADDRESS.burst,
        10**6 / srt_publishers.PER_ADDRESS.interval,
    ],
    "handshakes by SRT, process": [
        srt_publishers.PER_PROCESS.burst,
        10**6 / srt_publishers.PER_PROCESS.interval,
    ],
    "refusals of handshakes by SRT that are answered, address": [
        srt_publishers.REFUSALS.burst,
        10**6 / srt_publishers.REFUSALS.interval,
        doorstep.SECONDS,
        doorstep.MAX_ADDRESSES,
    ],
    "packets of a publisher by SRT, session": [
        10**6 / srt_listener.MESSAGES.interval,
        srt_listener.MESSAGES.burst,
    ],
    "packets that one request of SRT leaves out, request": [doorstep.MAX_DROPPED],
    "new keys of a publisher by SRT in 10 s, once it has sent 15500000 packets; before, the system"
    " drops them, session": [
        key_changes.SECONDS,
        srt_listener.KEY_CHANGES_AFTER,
        4 * key_changes.MOST,
    ],
    "the time without a picture, session": [packaging_limits.NO_PICTURE_SECONDS],
    "offers of WebRTC publishers in a minute, stream": [whip.PER_STREAM.burst],
    "offers of WebRTC publishers in a minute, address": [whip.PER_ADDRESS.burst],
    "changes of a WebRTC publisher's connection: candidates that follow, restarts, stream": [
        whip.CHANGES.burst,
        10**6 / whip.CHANGES.interval,
    ],
    "the time until a WebRTC publisher is connected, session": [peer._CONNECT_SECONDS],
    "packets of a WebRTC publisher, session": [10**6 / gate.PACKETS.interval, gate.PACKETS.burst],
    "sources of pictures and sound (SSRC) of a WebRTC publisher, session": [gate.MAX_SOURCES],
    "addresses that a WebRTC publisher is seen at, session": [gate.MAX_PLACES],
    "packets to a WebRTC publisher's port from addresses that have not authenticated themselves,"
    " session": [10**6 / gate.STRANGERS.interval, gate.STRANGERS.burst],
    "connections to the database, process": [2 * 8, 6, 6, search_turns.AT_ONCE, 10],
    "the time of a frequent read or a search, process of the catalog": [connect.QUICK_SECONDS - 1],
    "the time of a statement, role of a service": [database_sessions.STATEMENT_SECONDS],
    "searches under way, user or address": [
        search_turns.PER_CALLER,
        search_turns.WAITING_PER_CALLER,
    ],
    "searches under way, process of the catalog": [
        search_turns.AT_ONCE,
        search_turns.WAITING,
        search_turns.WAIT_SECONDS,
    ],
    "hits of a search that are ranked, page": [
        2 * search.BLOCK,
        search._OF_ALL + search._OF_RAREST,
        totals.EXACT,
    ],
    "items before a page that is asked for by its number, list": [paging.MAX_OFFSET],
    "items that a list counts, list": [totals.EXACT, totals.COUNTED],
    "the time of a transaction, session of a service": [
        database_sessions._TRANSACTION_SECONDS,
        database_sessions._LIMITS_TRANSACTIONS,
    ],
    "histories read for event streams, process": [histories._AT_ONCE],
    "events of histories read, user": [histories.EVENTS, histories.EVENTS_PER_SECOND],
}
# Errors of modules that nothing above imports.
ELSEWHERE: tuple[type[CinelogError], ...] = (TooManyRetries,)
# A default that another setting decides is written as it is without that one.
DERIVED = {"MAX_IDLE_CONNECTIONS_PER_ADDRESS": str(connections.PER_ADDRESS)}
# Settings of this kind must have a row.
LIMITING = re.compile(r"(MAX|RATE_LIMIT|QUOTA)_|UPLOAD_MIN|UPLOAD_SLOW|LOGIN_BURST|WORKER_SLOTS")
NOT_LIMITS = {"QUOTA_TRUSTED_FACTOR"}


class Row(Struct, frozen=True):
    shared: str
    per: str
    limit: str
    setting: str
    beyond: str
    metric: str

    @property
    def name(self) -> str:
        return f"{self.shared}, {self.per}"


def table() -> Iterator[Row]:
    lines = DOCUMENT.read_text().splitlines()
    start = lines.index("| Shared | Per | Limit | Setting | Beyond it | Metric |")
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            return
        yield Row(*(cell.strip() for cell in line.strip("|").split("|")))


ROWS = list(table())
NAMES = [row.name for row in ROWS]


def fields() -> dict[str, object]:
    """Each setting's default."""
    return {
        field.name.upper(): field.default
        for kind in SETTINGS
        for field in msgspec.structs.fields(kind)
    }


def number(text: str) -> str:
    """The number that a cell begins with, in units of one."""
    match = re.match(r"(\d+(?:\.\d+)?)(?: (KiB|MiB|GiB|TiB))?", text)
    assert match is not None, text
    return str(int(float(match[1]) * UNITS.get(match[2], 1)))


def numbers(text: str) -> list[float]:
    """All numbers of a text but those of statuses."""
    plain = re.sub(r"\d{3} `\w+`( or \d{3} `\w+`)?|503 or 429 `\w+`", "", text)
    found = re.findall(r"(\d+)(?: (KiB|MiB|GiB|TiB))?", plain)
    return [int(digits) * UNITS.get(unit, 1) for digits, unit in found]


def test_no_row_is_there_twice():
    assert len(set(NAMES)) == len(NAMES)
    assert all(one != other for one, other in pairwise(ROWS))


@pytest.mark.parametrize("row", [row for row in ROWS if row.setting != "–"], ids=str)
def test_a_setting_has_the_default_that_is_documented(row: Row):
    setting = row.setting.strip("`")
    default = fields()[setting]
    if setting.startswith("RATE_LIMIT_"):
        assert row.limit == f"`{default}`"
    else:
        shown = DERIVED.get(setting) or str(int(str(default).partition(".")[0]))
        assert number(row.limit) == shown


@pytest.mark.parametrize("row", [row for row in ROWS if row.setting == "–"], ids=str)
def test_what_is_fixed_is_as_documented(row: Row):
    said = numbers(f"{row.shared} {row.limit} {row.beyond}")
    assert said == FIXED[row.name]


def test_everything_that_limits_has_a_row():
    listed = {row.setting.strip("`") for row in ROWS}
    limiting = {name for name in fields() if LIMITING.match(name)} - NOT_LIMITS
    assert limiting <= listed
    assert set(FIXED) == {row.name for row in ROWS if row.setting == "–"}
    kinds = {failure.kind for failure in open_requests._FAILURES.values()}
    assert all(any(kind in row.beyond for row in ROWS) for kind in kinds)


def codes() -> dict[str, set[int]]:
    """The statuses that each code is answered with."""
    found: dict[str, set[int]] = {}
    for status, (kind, _) in problems._BY_STATUS.items():
        found.setdefault(kind, set()).add(status)
    for failure in open_requests._FAILURES.values():
        found.setdefault(failure.kind, set()).add(failure.status)
    for kind in (*_subclasses(CinelogError), *ELSEWHERE):
        error = kind.__new__(kind)
        found.setdefault(kind.code, set()).add(problems.status_of(error))
    return found


def _subclasses(kind: type[CinelogError]) -> Iterator[type[CinelogError]]:
    for below in kind.__subclasses__():
        yield below
        yield from _subclasses(below)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_codes_and_statuses_are_those_of_the_code(row: Row):
    known = codes()
    for statuses, code in re.findall(r"(\d{3}(?: or \d{3})?) `(\w+)`", row.beyond):
        assert {int(status) for status in statuses.split(" or ")} <= known[code]


def test_the_metrics_exist():
    paths = [*(ROOT / "services").rglob("*.py"), *(ROOT / "shared").rglob("*.py")]
    source = "\n".join(path.read_text() for path in paths)
    for row in ROWS:
        for name in re.findall(r"`([a-z_]+)`", row.metric):
            # A counter is named without its ending, a gauge of several pools without its beginning.
            stem = re.sub("^cinelog_(db|log|reads|search)_connections$", "_connections", name)
            stem = stem.removesuffix("_total")
            assert f'{stem}"' in source or f'{stem}_total"' in source, name
