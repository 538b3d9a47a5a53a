"""Folds events into rows, in memory. Pure: rows depend on events alone, so a rebuild makes equal
rows."""

from datetime import datetime
from typing import Final

from services.catalog.captions import takeable, with_captions, with_removed
from services.catalog.domain import delete_at_after
from services.catalog.read_model.live_folding import (
    clip_video,
    fold_live,
    fold_remade,
    live_video,
)
from services.catalog.read_model.public_events import feed_data
from services.catalog.read_model.terms import views_band
from services.catalog.read_model.text_analysis import normalise, vector, vocabulary
from services.catalog.read_model.transcode_folding import fail_job, fold_transcode
from services.catalog.rows import FeedRow, JobRow, UserRow, VideoRow, VideoTagRow
from shared.contracts import (
    SHOWN_TO_OTHERS,
    AudioEncoded,
    CaptionsRemoved,
    CaptionsStored,
    ChunkEncoded,
    DetailsChanged,
    DownloadsChanged,
    LiveClipMade,
    LiveConnected,
    TagRemoved,
    TagsAdded,
    UploadAborted,
    UploadExpired,
    UploadRejected,
    UploadStarted,
    UserDeleted,
    UserRegistered,
    VideoBinned,
    VideoDeleted,
    VideoRestored,
    VideoUploaded,
    ViewsCounted,
    VisibilityChanged,
    category_of,
    entity_of,
)
from shared.event_store.store import SequencedEvent
from shared.text_rules import merge_tags, tag_key, without_tag

# Frequent events that change no row; a rebuild does not read them.
IGNORED: Final = (AudioEncoded.__name__, ChunkEncoded.__name__)
# A video's row takes over each field of VideoUploaded that it has too.
_UPLOADED: Final = tuple(
    name
    for name in VideoRow.__struct_fields__
    if name in VideoUploaded.__struct_fields__ and name != "tags"
)


class Fold:
    """The rows of the entities of a batch of events.

    Before ``apply``, ``users``, ``videos`` and ``jobs`` must hold the present rows of the events'
    entities and of the videos' owners. Afterwards the ``changed_`` sets hold the ids of rows to
    write; a changed id without a row must be deleted. ``retagged`` and ``reworded`` are the ids of
    videos whose rows of tags and of terms are to be written anew.
    """

    def __init__(self) -> None:
        self.users: dict[str, UserRow] = {}
        self.videos: dict[str, VideoRow] = {}
        self.jobs: dict[str, JobRow] = {}
        self.changed_users: set[str] = set()
        self.changed_videos: set[str] = set()
        self.changed_jobs: set[str] = set()
        self.retagged: set[str] = set()
        self.reworded: set[str] = set()
        self.words: set[str] = set()
        self.feed: list[FeedRow] = []
        self.counted_batches: list[str] = []
        self.forgotten_users: set[str] = set()

    def apply(self, recorded: SequencedEvent) -> None:
        """Fold one event; events must come in the order of their positions."""
        category = category_of(recorded.stream_id)
        if category == "user":
            self._apply_user(recorded)
            return
        if category == "live":
            self._add_to_feed(recorded, getattr(recorded.data, "user_id", ""), None)
            return
        video_id = entity_of(recorded.stream_id)
        if category == "upload":
            self._apply_upload(recorded, video_id)
        elif isinstance(recorded.data, LiveConnected | LiveClipMade):
            self._add_live(recorded.data, recorded.recorded_at)
        # After UploadStarted has added the job, or LiveConnected the video, and before VideoDeleted
        # removes them: they have the owner's id.
        job = self.jobs.get(video_id)
        owned = job or self.videos.get(video_id)
        if owned is not None:
            self._add_to_feed(recorded, owned.user_id, video_id)
        if category == "transcode" and job is not None:
            self._apply_transcode(recorded, job)
        elif category == "transcode":
            self._apply_remade(recorded, video_id)
        if category == "livesession":
            self._apply_session(recorded, video_id)
        if category == "video":
            self._apply_video(recorded, video_id)

    def _apply_user(self, recorded: SequencedEvent) -> None:
        event = recorded.data
        user_id = entity_of(recorded.stream_id)
        if isinstance(event, UserRegistered):
            self.users[user_id] = UserRow(
                id=user_id,
                username=event.username,
                username_key=username_key(event.username),
                registered_at=recorded.recorded_at,
            )
            self.changed_users.add(user_id)
        elif isinstance(event, UserDeleted) and (user := self.users.get(user_id)):
            user.username = user.username_key = ""
            user.deleted = True
            # Those that are not at hand are taken out of the lists in the tables.
            for video in self.videos.values():
                if video.user_id == user_id:
                    self._update_listed(video)
                    self.changed_videos.add(video.id)
            self.changed_users.add(user_id)
            self.feed = [row for row in self.feed if row.user_id != user_id]
            self.forgotten_users.add(user_id)
            return
        self._add_to_feed(recorded, user_id, None)

    def _apply_upload(self, recorded: SequencedEvent, video_id: str) -> None:
        event, at = recorded.data, recorded.recorded_at
        job = self.jobs.get(video_id)
        match event:
            case UploadStarted() if job is None:
                self.jobs[video_id] = JobRow(
                    id=video_id,
                    user_id=event.user_id,
                    title=event.title or "",
                    description=event.description or "",
                    created_at=at,
                    updated_at=at,
                )
            case VideoUploaded():
                self._add_video(event, video_id, at, job)
            case UploadRejected() if job is not None:
                fail_job(job, at, "rejected", event.code, event.reason)
            case UploadExpired() if job is not None:
                reason = "The upload was not finished in time."
                fail_job(job, at, "expired", "upload_expired", reason)
            case UploadAborted() if job is not None:
                fail_job(job, at, "aborted", "upload_aborted", "The upload was cancelled.")
            case _:
                return
        self.changed_jobs.add(video_id)

    def _add_video(
        self, event: VideoUploaded, video_id: str, at: datetime, job: JobRow | None
    ) -> None:
        if job is None:
            job = JobRow(
                id=video_id,
                user_id=event.user_id,
                title=event.title,
                description=event.description,
                created_at=at,
                updated_at=at,
            )
            self.jobs[video_id] = job
        job.title, job.description = event.title, event.description
        job.status, job.stage, job.updated_at = "pending", "queued", at
        job.error_code = job.error_message = None
        self.videos[video_id] = VideoRow(
            **{name: getattr(event, name) for name in _UPLOADED},
            id=video_id,
            tags=merge_tags((), event.tags),
            created_at=at,
            updated_at=at,
        )
        self._update_search(self.videos[video_id])

    def _apply_transcode(self, recorded: SequencedEvent, job: JobRow) -> None:
        video = self.videos.get(job.id)
        changed = fold_transcode(recorded.data, recorded.recorded_at, job, video)
        if changed.job:
            self.changed_jobs.add(job.id)
        if changed.video and video is not None:
            self.changed_videos.add(job.id)
            self._update_listed(video)

    def _add_live(self, event: LiveConnected | LiveClipMade, at: datetime) -> None:
        if event.video_id not in self.videos:
            clip = isinstance(event, LiveClipMade)
            video = clip_video(event, at) if clip else live_video(event, at)
            self.videos[event.video_id] = video
            self._update_search(video)

    def _apply_session(self, recorded: SequencedEvent, video_id: str) -> None:
        video = self.videos.get(video_id)
        if video is None:
            return
        folded = fold_live(recorded.data, recorded.recorded_at, video)
        if folded == "gone":
            self._remove_video(video_id)
        elif folded == "changed":
            self.changed_videos.add(video_id)
            self._update_listed(video)

    def _apply_remade(self, recorded: SequencedEvent, video_id: str) -> None:
        video = self.videos.get(video_id)
        if video is not None and fold_remade(recorded.data, recorded.recorded_at, video):
            self.changed_videos.add(video_id)
            self._update_listed(video)

    def _remove_video(self, video_id: str) -> None:
        del self.videos[video_id]
        self.changed_videos.add(video_id)
        self.retagged.add(video_id)
        self.reworded.add(video_id)

    def _apply_video(self, recorded: SequencedEvent, video_id: str) -> None:
        event, at = recorded.data, recorded.recorded_at
        if isinstance(event, ViewsCounted):
            self.counted_batches.append(event.batch_id)
        video = self.videos.get(video_id)
        if video is None:
            return
        match event:
            case ViewsCounted():
                self._count_views(video, event.count)
            case VideoDeleted():
                self._remove_video(video_id)
                self.jobs.pop(video_id, None)
                self.changed_jobs.add(video_id)
            case DetailsChanged():
                video.title, video.description = event.title, event.description
                if job := self.jobs.get(video_id):
                    job.title, job.description = event.title, event.description
                    self.changed_jobs.add(video_id)
                self._mark_updated(video, at)
                self._update_search(video)
            case TagsAdded() | TagRemoved():
                added = isinstance(event, TagsAdded)
                video.tags = (
                    merge_tags(video.tags, event.tags)
                    if added
                    else without_tag(video.tags, event.tag)
                )
                self._mark_updated(video, at)
                self._update_search(video)
            case VisibilityChanged():
                if video.visibility == "draft" and event.visibility in SHOWN_TO_OTHERS:
                    # Lists show it among what is new now, however long ago it was uploaded.
                    video.created_at = at
                video.visibility, video.publish_at = event.visibility, event.publish_at
                self._mark_updated(video, at)
                self._update_listed(video)
            case VideoBinned() | VideoRestored():
                self._bin(video, event, at)
            case DownloadsChanged() | CaptionsStored() | CaptionsRemoved():
                _fold_files(video, event)
                self._mark_updated(video, at)
            case _:
                return

    def _bin(self, video: VideoRow, event: VideoBinned | VideoRestored, at: datetime) -> None:
        video.delete_at = delete_at_after(event)
        if job := self.jobs.get(video.id):
            job.binned = video.delete_at is not None
            self.changed_jobs.add(video.id)
        self._mark_updated(video, at)
        self._update_listed(video)

    def _count_views(self, video: VideoRow, count: int) -> None:
        before = views_band(video.views)
        video.views += count
        self.changed_videos.add(video.id)
        if views_band(video.views) != before:
            self.reworded.add(video.id)

    def _mark_updated(self, video: VideoRow, at: datetime) -> None:
        video.updated_at = at
        self.changed_videos.add(video.id)

    def _update_listed(self, video: VideoRow) -> None:
        owner = self.users.get(video.user_id)
        before = video.listed
        video.listed = (
            video.playable
            and video.status in {"live", "ready"}
            and video.visibility == "public"
            and video.delete_at is None
            and not (owner is not None and owner.deleted)
        )
        # Tag rows hold copies of this state.
        self.retagged.add(video.id)
        if video.listed != before:
            self.reworded.add(video.id)

    def _update_search(self, video: VideoRow) -> None:
        title, tags, description = map(
            normalise, (video.title, " ".join(video.tags), video.description)
        )
        video.search = vector([(title, "A"), (tags, "B"), (description, "D")])
        self.words |= vocabulary((title, tags, description))
        self.changed_videos.add(video.id)
        self.retagged.add(video.id)
        self.reworded.add(video.id)

    def _add_to_feed(self, recorded: SequencedEvent, user_id: str, video_id: str | None) -> None:
        """Add the event to its owner's feed, unless the feed leaves out its type.

        Videos of a deleted account go on for a moment; its feed stays empty.
        """
        data = feed_data(recorded.data)
        owner = self.users.get(user_id)
        if data is None or (owner is not None and owner.deleted):
            return
        self.feed.append(
            FeedRow(
                user_id=user_id,
                position=recorded.position,
                event_id=recorded.event_id,
                type=recorded.type,
                video_id=video_id,
                at=recorded.recorded_at,
                data=data,
            )
        )


def _fold_files(
    video: VideoRow, event: DownloadsChanged | CaptionsStored | CaptionsRemoved
) -> None:
    """What there is beside the stream."""
    if isinstance(event, DownloadsChanged):
        video.downloads = event.downloads
    else:
        video.captions = with_captions(video.captions, event)
        video.captions_removed = with_removed(video.captions_removed, event)
        waiting = video.captions_found
        video.captions_found = takeable(video.captions, video.captions_removed, waiting)


def tag_rows(video: VideoRow) -> list[VideoTagRow]:
    """The rows of a video's tags."""
    return [
        VideoTagRow(
            video_id=video.id,
            key=tag_key(tag),
            name=tag,
            public=video.visibility == "public",
            listed=video.listed,
            created_at=video.created_at,
        )
        for tag in video.tags
    ]


def username_key(username: str) -> str:
    """The key of a username, which ignores case."""
    return username.casefold()
