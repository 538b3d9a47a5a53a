"""The routes that retry and cancel jobs, for owners and for operators. The catalog shows jobs."""

import msgspec
from litestar import Router, delete, post
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, FromQuery

from services.transcoder import handlers
from services.transcoder.coordinator.reconciling import Reconciliation
from services.transcoder.coordinator.scrubbing import Scrubber
from services.transcoder.jobs.jobs import JobRecord, JobRepository
from services.transcoder.jobs.retries import RetryBudget
from shared.errors import Forbidden, NotFound
from shared.event_store.projections.checkpoint_watcher import CheckpointWatcher
from shared.event_store.store import EventStore
from shared.http.envelope import Message, Success
from shared.http.identity import Principal
from shared.http.openapi import BEARER
from shared.http.operator import operator_routes
from shared.reconciliation import Scrubbed
from shared.settings import Key

# Seconds to wait for the projection before 404, because a job may have been created just now.
_PATIENCE_SECONDS = 1.0
_OPERATOR = "operator"

Caller = NamedDependency[Principal]


class JobNotFound(NotFound):
    code = "job_not_found"


class NotYourJob(Forbidden):
    code = "not_your_job"


class RetryAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a retry."""

    job_id: str
    status: str
    attempts: int
    message: str


def job_routes(
    jobs: JobRepository, store: EventStore, watcher: CheckpointWatcher, budget: RetryBudget
) -> list[HTTPRouteHandler]:
    """The routes of a job's owner: retry and cancel."""

    async def own_job(video_id: str, user_id: str) -> JobRecord:
        job = await jobs.find(video_id)
        if (job is None or job.user_id != user_id) and await watcher.wait_for_latest(
            _PATIENCE_SECONDS
        ):
            job = await jobs.find(video_id)
        if job is None or job.user_id != user_id:
            # Also of what does not exist, so that it takes as long as what is hidden.
            shown = await handlers.is_shown_to_others(store, video_id)
            if job is None or not shown:
                raise JobNotFound("There is no such job.")
            raise NotYourJob("This is somebody else's job.")
        if await handlers.is_gone(store, video_id):
            raise JobNotFound("There is no such job.")
        return job

    @post(
        "/api/v1/jobs/{job_id:str}/retry",
        status_code=202,
        tags=["jobs"],
        summary="Try a failed job again",
        security=BEARER,
    )
    async def retry_job(job_id: FromPath[str], principal: Caller) -> Success[RetryAccepted]:
        user_id = principal.user_id
        job = await own_job(job_id, user_id)
        cost = await handlers.planned_ms(store, job.video_id)
        before = (await handlers.state_of(store, job.video_id)).attempt

        async def begun() -> bool:
            return (await handlers.state_of(store, job.video_id)).attempt > before

        async with budget.taken(user_id, job.video_id, cost, begun):
            attempts = await handlers.retry(store, job.video_id, user_id)
        return Success(
            data=RetryAccepted(
                job_id=job.video_id,
                status="pending",
                attempts=attempts,
                message="The video is processed again.",
            )
        )

    @delete(
        "/api/v1/jobs/{job_id:str}",
        status_code=200,
        tags=["jobs"],
        summary="Cancel a running job",
        security=BEARER,
    )
    async def cancel_job(job_id: FromPath[str], principal: Caller) -> Success[Message]:
        job = await own_job(job_id, principal.user_id)
        await handlers.cancel(store, job.video_id, principal.user_id)
        return Success(data=Message(message="Processing has been cancelled."))

    return [retry_job, cancel_job]


def operator_job_routes(
    secret: Key,
    jobs: JobRepository,
    store: EventStore,
    reconciliation: Reconciliation,
    scrubber: Scrubber,
) -> Router:
    """The operator's routes: reconcile, scrub, and retry or cancel any job as ``operator``."""

    async def any_job(video_id: str) -> JobRecord:
        job = await jobs.find(video_id)
        if job is None:
            raise JobNotFound("There is no such job.")
        return job

    @post("/jobs/{job_id:str}/retry", status_code=202, include_in_schema=False)
    async def retry_any(job_id: FromPath[str]) -> Success[RetryAccepted]:
        job = await any_job(job_id)
        attempts = await handlers.retry(store, job.video_id, _OPERATOR)
        return Success(
            data=RetryAccepted(
                job_id=job.video_id,
                status="pending",
                attempts=attempts,
                message="The video is processed again.",
            )
        )

    @post("/jobs/{job_id:str}/cancel", status_code=200, include_in_schema=False)
    async def cancel_any(job_id: FromPath[str]) -> Success[Message]:
        job = await any_job(job_id)
        await handlers.cancel(store, job.video_id, _OPERATOR)
        return Success(data=Message(message="Processing has been cancelled."))

    @post("/scrub/{video_id:str}", status_code=200, include_in_schema=False)
    async def scrub_video(
        video_id: FromPath[str], dry_run: FromQuery[bool] = False
    ) -> Success[Scrubbed]:
        await any_job(video_id)
        found = await scrubber.scrub(video_id, dry_run=dry_run)
        if found is None:
            raise JobNotFound("This video is deleted.")
        return Success(data=found)

    others = (retry_any, cancel_any, scrub_video)
    return operator_routes("transcoder", secret, reconciliation.part, others)
