"""The transcoder's core as a state machine: any steps, in any order, with crashes at any write.

The tables, the scheduler, the projection, the decider, the coordinator's rounds and the
reconciliation are the real ones. The log and the bucket are in memory, the messages of the broker
are a list, and workers store what ``made_results`` says. After each step the invariants of
docs/architecture.md hold; when no more faults happen, every video comes to its end by itself.

``CINELOG_MODEL_EXAMPLES`` says how many runs to try: a nightly run may afford thousands.
"""

import asyncio
import contextlib
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule, run_state_machine_as_test
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from services.transcoder.coordinator.missing_media import expected_keys
from services.transcoder.domain.decisions import NotCancellable, NotRetryable
from services.transcoder.handlers import cancel, retry, state_of
from services.transcoder.jobs.jobs import JobRepository
from services.transcoder.scheduler.tasks import TaskError
from shared.contracts import (
    TranscodeCancelled,
    TranscodeCompleted,
    TranscodeFailed,
    VideoDeleted,
    VideoUploaded,
    stream_id,
)
from shared.database.connect import create_engine
from tests.integration.transcoder.model_core import LONG, WORKERS, Core
from tests.support.databases import Database

EXAMPLES = int(os.environ.get("CINELOG_MODEL_EXAMPLES", "5"))
MAX_VIDEOS = 3
INDEX = st.integers(0, 99)
# At which write of a step its process ends.
CRASH = st.none() | st.integers(0, 4)
STEPS = ["publish", "keep house", "compact", "delete", "reconcile"]
ENDS = (TranscodeCompleted, TranscodeFailed, TranscodeCancelled)


class Model(Core):
    """Its rules are what people, processes, the broker and the storage may do at any time."""

    # People.

    @precondition(lambda self: len(self.videos) < MAX_VIDEOS)
    @rule(user=st.sampled_from(["ada", "bob"]))
    def upload(self, user: str) -> None:
        video_id = f"v{len(self.videos)}"
        self.videos.append(video_id)
        uploaded = VideoUploaded(
            video_id=video_id,
            user_id=user,
            title="t",
            description="",
            filename="f",
            content_type="video/mp4",
            size=1,
            source_key=f"{video_id}/source",
        )
        self.run(self.append("upload", video_id, uploaded))

    @precondition(lambda self: self.videos)
    @rule(index=INDEX, wish=st.sampled_from(["delete", "cancel", "retry", "retry"]))
    def wish(self, index: int, wish: str) -> None:
        video_id = self.videos[index % len(self.videos)]
        if video_id in self.deleted or self.run(JobRepository(self.engine).find(video_id)) is None:
            return
        if wish == "delete":
            self.deleted.add(video_id)
            gone = VideoDeleted(video_id=video_id, user_id="ada", deleted_by="ada")
            self.run(self.append("video", video_id, gone))
            return
        with contextlib.suppress(NotRetryable, NotCancellable):
            self.run((retry if wish == "retry" else cancel)(self.log, video_id, "ada"))

    # The storage.

    @precondition(lambda self: self.media.keys())
    @rule(index=INDEX, cut=st.booleans(), found=st.booleans())
    def harm(self, index: int, cut: bool, found: bool) -> None:
        """An object of a video that was complete is lost, or cut; ``found`` at once, or later."""
        complete = [
            key
            for video_id in self.alive()
            for key in sorted(expected_keys(video_id, self.state(video_id)))
            if self.state(video_id).phase == "completed" and self.media.size(key)
        ]
        if complete:
            key = complete[index % len(complete)]
            self.media.damage(key, b"" if cut else None)
            self.harmed[key] = self.media.size(key)
            if found:
                self.run(self.apply(10_000))
                self.run(self.reconciliation.round(dry_run=False))
                self.run(self.apply(10_000))

    # Processes.

    @rule(most=st.integers(1, 12), crash=CRASH)
    def project(self, most: int, crash: int | None) -> None:
        self.in_process(self.apply(most), crash)

    @rule(refuses=st.booleans(), crash=CRASH)
    def dispatch(self, refuses: bool, crash: int | None) -> None:
        for worker in WORKERS:
            self.run(self.scheduler.seen(worker, 2))
        self.messages.refuses = refuses
        try:
            self.in_process(self.coordinator._dispatch_round(self.messages), crash)
        except ConnectionError:
            return
        finally:
            self.messages.refuses = False

    @rule(step=st.sampled_from(STEPS), crash=CRASH)
    def coordinate(self, step: str, crash: int | None) -> None:
        steps: dict[str, Callable[[], Awaitable[object]]] = {
            "publish": self.coordinator._publish_round,
            "keep house": self.coordinator._keep_house,
            "compact": self.coordinator._compactor.step,
            "delete": self.coordinator._deleter.round,
            "reconcile": lambda: self.reconciliation.round(dry_run=False),
        }
        self.in_process(steps[step](), crash)

    @precondition(lambda self: self.messages.held)
    @rule(index=INDEX, again=st.sampled_from(["never", "at once", "later"]))
    def deliver(self, index: int, again: str) -> None:
        """A worker gets a message, which the broker may deliver once more."""
        place = index % len(self.messages.held)
        message = self.messages.held[place]
        if again != "later":
            del self.messages.held[place]
        self.run(self.claim(message, WORKERS[0], redelivered=again == "later"))
        if again == "at once":
            self.run(self.claim(message, WORKERS[1], redelivered=True))

    @precondition(lambda self: self.work)
    @rule(index=INDEX, how=st.sampled_from(["report", "give back", "fail", "die"]), crash=CRASH)
    def end_work(self, index: int, how: str, crash: int | None) -> None:
        """A worker reports, and may die before its task is done; or gives it back; or dies."""
        work = self.work[index % len(self.work)]
        if how == "report":
            self.in_process(self.finish(work), crash)
            return
        self.work.remove(work)
        if how != "die":
            error = TaskError("encoder.died", "r") if how == "fail" else None
            self.run(
                self.scheduler.give_back(
                    work.task, work.worker, delay=1, counts=how == "fail", error=error
                )
            )

    @rule(index=INDEX, told=st.booleans())
    def fail_for_good(self, index: int, told: bool) -> None:
        """A task that waits cannot be done, however often it is tried."""
        self.run(self.exhaust(index))
        if told:
            self.run(self.coordinator._keep_house())
            self.run(self.apply(10_000))

    @rule()
    def nothing_goes_wrong(self) -> None:
        """For as long as it takes to do what is open now."""
        for _ in range(2):
            self.run(self.work_on())

    @rule(seconds=st.sampled_from([1.0, 6.0, 20.0, 70.0, LONG]))
    def wait(self, seconds: float) -> None:
        self.run(self.pass_time(seconds))

    # What must hold.

    @invariant()
    def nothing_that_a_completed_video_needs_is_deleted(self) -> None:
        for video_id in self.alive():
            state = self.state(video_id)
            whole = state.before_repair if state.repairing else state
            if whole is None or whole.phase != "completed":
                continue
            harmed = self.harmed.keys() | state.lost if state.repairing else self.harmed.keys()
            gone = expected_keys(video_id, whole) - harmed - set(self.media.keys(video_id))
            assert not gone, f"{sorted(gone)} were deleted"

    @invariant()
    def a_lease_lasts_while_it_is_renewed(self) -> None:
        self.run(self.check_leases())

    @invariant()
    def an_attempt_ends_once(self) -> None:
        for video_id in self.videos:
            stream = self.run(self.log.read_stream(stream_id("transcode", video_id)))
            attempts: Counter[int] = Counter()
            attempt = 1
            for recorded in stream:
                attempt = getattr(recorded.data, "attempt", attempt)
                attempts[attempt] += isinstance(recorded.data, ENDS)
            assert all(ends <= 1 for ends in attempts.values()), attempts

    def teardown(self) -> None:
        self.messages.held.clear()
        self.work.clear()
        self.run(self.settle())

    async def settle(self) -> None:
        """Without faults, everything ends within as many rounds as there are steps to do."""
        for _ in range(24):
            await self.apply(10_000)
            await self.pass_time(61.0)
            await self.work_on()
            await self.coordinator._compactor.step()
            await self.reconciliation.round(dry_run=False)
            if await self.is_settled():
                break
        await self.apply(10_000)
        await self.pass_time(LONG)
        for _ in range(MAX_VIDEOS + 1):
            await self.coordinator._keep_house()
            await self.coordinator._compactor.step()
            await self.apply(10_000)
            await self.pass_time(LONG)
            await self.coordinator._deleter.round()
        await self.check_the_end()

    async def is_settled(self) -> bool:
        states = [await state_of(self.log, video_id) for video_id in self.alive()]
        return self.applied == await self.log.head() and not any(state.open for state in states)

    async def check_the_end(self) -> None:
        async with self.engine.connect() as connection:
            left = await connection.execute(text("select task_id, state from transcoder.tasks"))
            assert not left.all(), "tasks are left"
            rows = await connection.execute(text("select video_id, state from transcoder.jobs"))
            jobs = {row.video_id: row.state for row in rows}
        for video_id in self.videos:
            if video_id in self.deleted:
                assert jobs[video_id] == "deleted"
                assert not self.media.keys(f"{video_id}/"), "objects of a deleted video are left"
                continue
            state = await state_of(self.log, video_id)
            assert not state.open, f"{video_id} is stuck"
            assert jobs[video_id] == state.phase
            if state.phase == "completed":
                needed = expected_keys(video_id, state) - state.unrepairable
                assert needed <= set(self.media.keys(video_id))
                assert all(self.media.size(key) for key in needed), "damage was not noticed"
            else:
                assert not self.media.keys(f"{video_id}/"), "objects of a failed video are left"


@pytest.fixture
def core(database: Database) -> Iterator[type[Model]]:
    with asyncio.Runner() as runner:

        async def opened() -> AsyncEngine:
            return create_engine(database.url("transcoder"), size=4)

        engine = runner.run(opened())
        yield type("OwnModel", (Model,), {"runner": runner, "engine": engine})
        runner.run(engine.dispose())


@pytest.mark.timeout(0)
def test_whatever_happens_every_video_comes_to_its_end(core: type[Model]) -> None:
    run_state_machine_as_test(
        core,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            # To make a failing run smaller takes longer than to read it.
            phases=(Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
        ),
    )
