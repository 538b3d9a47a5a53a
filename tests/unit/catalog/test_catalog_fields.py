"""A field is declared once, in its row: table, API and public events follow or fail here."""

from datetime import UTC, datetime
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

from services.catalog import api_models, tables
from services.catalog.api_models import Links, to_job, to_video
from services.catalog.http.webhooks import WebhookView
from services.catalog.rows import FeedRow, JobRow, UserRow, VideoRow, VideoTagRow, VideoTermRow
from services.catalog.webhooks.webhooks import Webhook
from tests.support.catalog_events import RENDITION

NOW = datetime(2026, 1, 2, tzinfo=UTC)
ROWS = [
    (tables.users, UserRow),
    (tables.videos, VideoRow),
    (tables.video_tags, VideoTagRow),
    (tables.video_terms, VideoTermRow),
    (tables.jobs, JobRow),
    (tables.feed, FeedRow),
    (tables.webhooks, Webhook),
]
# Of each API model: the row, fields that are computed, columns that the API does not show.
MODELS = [
    (
        api_models.Video,
        VideoRow,
        {
            *("video", "dash", "thumbnail", "storyboard", "preview", "duration"),
            *("views", "tags", "renditions", "username", "live", "was_live"),
            *("downloads", "files", "chapters", "captions"),
        },
        {
            *("playlist_key", "dash_key", "poster_key", "storyboard_key", "preview_key"),
            *("listed", "search", "captions_found", "captions_removed", "delete_at"),
            *("live_started_at", "live_connected", "live_latency", "live_ended", "live_kept"),
        },
    ),
    (
        api_models.Job,
        JobRow,
        {"video_id", "attempts", "error_code", "error_message", "progress", "notes"},
        {"attempt", "binned"},
    ),
    (api_models.FeedEvent, FeedRow, {"id", "cursor", "data"}, {"user_id", "position", "event_id"}),
    (
        WebhookView,
        Webhook,
        {"cursor", "secret"},
        {"user_id", "position", "generation", "rotated_at", "failing_since", "pending_at"},
    ),
]


def types_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    return {field.name: field.type for field in msgspec.structs.fields(struct)}


@pytest.mark.parametrize(("table", "row"), ROWS, ids=lambda value: getattr(value, "name", ""))
def test_a_table_has_the_fields_of_its_row(table: Table, row: type[msgspec.Struct]) -> None:
    fields = types_of(row)

    assert set(table.columns.keys()) == set(fields)
    for column in table.columns:
        options = get_args(fields[column.name]) or (fields[column.name],)
        assert column.nullable == (NoneType in options), column
        kind = get_origin(fields[column.name]) or fields[column.name]
        if kind in {tuple, list, msgspec.Raw}:
            assert isinstance(column.type, JSONB), column
        else:
            (kind,) = {_plain(option) for option in options if option is not NoneType}
            text = isinstance(column.type, TSVECTOR)
            assert (str if text else column.type.python_type) is kind, column


def _plain(option: Any) -> type:
    if get_origin(option) is Literal:
        return type(get_args(option)[0])
    return option if isinstance(option, type) else type(option)


def test_every_read_model_is_made_of_a_row() -> None:
    assert set(tables.READ_MODELS) - {table for table, _ in ROWS} == {tables.words}


@pytest.mark.parametrize(("model", "row", "computed", "hidden"), MODELS)
def test_a_field_of_the_api_is_a_column_or_computed(
    model: type[msgspec.Struct], row: type[msgspec.Struct], computed: set[str], hidden: set[str]
) -> None:
    shown, stored = types_of(model), types_of(row)

    assert computed <= set(shown)
    for name in set(shown) - computed:
        assert stored[name] == shown[name], name
    assert set(stored) - set(shown) == hidden


def test_a_video_shows_its_columns() -> None:
    row = VideoRow(
        id="v",
        user_id="u",
        title="Title",
        description="Text",
        created_at=NOW,
        updated_at=NOW,
        visibility="unlisted",
        status="ready",
        playable=True,
        duration_ms=1,
        width=2,
        height=3,
        playlist_key="p",
        renditions=(RENDITION,),
    )
    data = msgspec.to_builtins(row, builtin_types=(datetime,))

    video = to_video(data | {"shown_views": 7, "username": None}, Links("s"), 0.0)

    computed = MODELS[0][2]
    for name in set(types_of(api_models.Video)) - computed:
        assert getattr(video, name) == getattr(row, name), name
    assert (video.views, video.username, video.duration) == (7, "", "0s")
    assert video.video == "/media/public/p"
    assert video.renditions[0].codecs == RENDITION.codecs
    assert video.renditions[0].frame_rate == 29.97


def test_a_job_leaves_out_errors_that_it_does_not_have() -> None:
    row = JobRow(
        id="v", user_id="u", title="", description="", created_at=NOW, updated_at=NOW, attempt=2
    )

    job = to_job(msgspec.structs.asdict(row))

    assert (job.video_id, job.attempts, job.stage) == ("v", 2, "uploading")
    assert "error_code" not in msgspec.to_builtins(job)
    assert job.notes == []
    row.error_code, row.progress = "c", 12.345
    job = to_job(msgspec.structs.asdict(row))
    assert (job.error_code, job.progress) == ("c", 12.3)
